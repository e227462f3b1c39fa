import type { Badge as BadgeView, BadgeIcon } from "../tasks/view";
import { Check, Cross, Dot, Spin } from "./icons";

const ICONS: Record<BadgeIcon, () => preact.JSX.Element> = { check: Check, cross: Cross, dot: Dot, spin: Spin };

export function Badge({ label, tone, icon }: BadgeView) {
  const Icon = ICONS[icon];
  return (
    <span class={`badge tone-${tone}`}>
      <Icon />
      {label}
    </span>
  );
}
