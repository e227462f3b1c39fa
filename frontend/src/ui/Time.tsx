import { exact, relative, timestamp } from "../dates";
import { language } from "../texts";
import { now } from "../tick";

/** A moment in plain words; the exact time on hover. */
export function Time({ at, ago = false }: { at: string; ago?: boolean }) {
  const words = ago ? relative(at, now.value, language.value) : timestamp(at, now.value, language.value);
  return <time key={words} dateTime={at} title={exact(at, language.value)}>{words}</time>;
}
