import { useEffect } from "preact/hooks";

import { useApp } from "../app";
import type { Access } from "./view";

/** All grants with the tasks that use them; empty until the vault has answered. */
export function useAccess(): readonly Access[] {
  return useApp().granted.value;
}

/** Keeps the grants, and what is known of the tasks that use them, fresh for as long as the component is shown. */
export function useGrantWatch(): void {
  const { grants, store } = useApp();
  useEffect(() => {
    const parts = [grants.look(), store.linked.look()];
    return () => parts.forEach((leave) => leave());
  }, []);
}
