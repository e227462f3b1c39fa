import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { useApp } from "../app";
import { now } from "../tick";
import { accessOf, type Access } from "./view";

/** All grants with the tasks that use them; empty until the vault has answered. */
export function useAccess(): readonly Access[] {
  const { grants, store } = useApp();
  return useComputed(() => accessOf(grants.rows.value ?? [], store.rows.value ?? [], now.value)).value;
}

/** Keeps the grants fresh for as long as the component is shown. */
export function useGrantWatch(): void {
  const { grants } = useApp();
  useEffect(() => grants.look(), []);
}
