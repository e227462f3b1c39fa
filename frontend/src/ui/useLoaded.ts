import { useEffect, useState } from "preact/hooks";

/** What a request answered, asked again whenever one of `again` changes; the last answer stays meanwhile. */
export function useLoaded<T>(load: () => Promise<T>, again: readonly unknown[]): { data: T | undefined; failed: boolean } {
  const [state, setState] = useState<{ data: T | undefined; failed: boolean }>({ data: undefined, failed: false });
  useEffect(() => {
    let current = true;
    load().then(
      (data) => current && setState({ data, failed: false }),
      () => current && setState(({ data }) => ({ data, failed: true })),
    );
    return () => (current = false);
  }, again);
  return state;
}
