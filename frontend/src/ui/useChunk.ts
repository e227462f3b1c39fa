import { useEffect, useState } from "preact/hooks";

/** A part of the page that is fetched once it is wanted, and tried again each time that `wanted` changes; undefined until it is there. */
export function useChunk<T extends object>(wanted: unknown, load: () => Promise<T>): T | undefined {
  const [part, setPart] = useState<T>();
  useEffect(() => {
    if (Boolean(wanted) && part === undefined) load().then((loaded) => setPart(() => loaded), () => undefined);
  }, [wanted]);
  return part;
}
