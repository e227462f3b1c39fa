/** Line icons on a 24-unit grid. All are decoration: what they say stands beside them, or in the button's name. */
import type { ComponentChildren } from "preact";

function Icon({ children, class: name = "" }: { children: ComponentChildren; class?: string }) {
  return (
    <svg class={`icon ${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const Check = () => <Icon><path d="m5 12.5 4.5 4.5L19 7.5" /></Icon>;
export const Cross = () => <Icon><path d="M6.5 6.5l11 11m0-11l-11 11" /></Icon>;
export const Dot = () => <Icon><circle cx="12" cy="12" r="5" class="icon-fill" /></Icon>;
export const Spin = () => <Icon class="icon--spin"><path d="M12 4a8 8 0 1 1-8 8" /></Icon>;
export const Key = () => <Icon><circle cx="8" cy="15.5" r="4" /><path d="m11 12.5 8-8m-3 3 2.5 2.5M13.5 10l2 2" /></Icon>;
export const Trash = () => (
  <Icon><path d="M4 7h16M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10.2 11v5M13.8 11v5" /></Icon>
);
export const Inbox = () => (
  <Icon><path d="M4 13.5 6.5 5h11L20 13.5V19H4zM4 13.5h4.5l1.2 2.5h4.6l1.2-2.5H20" /></Icon>
);
export const Warning = () => <Icon><path d="M12 4 2.8 19.5h18.4zM12 10v4.5m0 2.4v.1" /></Icon>;
export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="9" />
    <path d="m9 16.5 4.8 4.8L23.5 11" />
  </svg>
);
