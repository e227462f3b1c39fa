import type { Badge as BadgeView, BadgeIcon } from "../tasks/view";
import { Check, Cross, Dot, Refresh, Spin, type Icon } from "./icons";

export type { BadgeView };

const ICONS: Record<BadgeIcon, Icon> = { check: Check, cross: Cross, dot: Dot, spin: Spin, again: Refresh };

/** A new element for each state, so that a page that a browser translates never shows an old one. */
export function Badge({ label, tone, icon }: BadgeView) {
  const Icon = ICONS[icon];
  return (
    <span key={`${tone} ${label}`} class={`badge tone-${tone}`}>
      <Icon class={`icon icon--${icon}`} />
      {label}
    </span>
  );
}
