/** The time, for what is shown relative to it: a signal that moves every few seconds while the page is visible. */
import { computed, signal } from "@preact/signals";

const EVERY = 5_000;

/** Milliseconds since the epoch. */
export const now = signal(Date.now());

/** The same, moving once a minute. */
export const minute = computed(() => Math.floor(now.value / 60_000) * 60_000);

export function startTicking(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, EVERY);
}
