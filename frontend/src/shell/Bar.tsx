import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";

import { useAccess } from "../access/useAccess";
import { useApp } from "../app";
import { LANGUAGES, language, t, type Language } from "../texts";
import { Keyboard, LogOut, Mark } from "../ui/icons";
import { HealthPill } from "./HealthStrip";
import type { PersonSession } from "./Shell";
import { ThemeSwitch } from "./ThemeSwitch";

export function Bar({ session, path, onHelp }: { session: PersonSession; path: string; onHelp: () => void }) {
  return (
    <header class="bar">
      <a class="brand" href="/tasks"><Mark /><span>{t("app.name")}</span></a>
      <nav aria-label={t("nav.label")}>
        <PageLink to="/tasks" path={path}>{t("nav.tasks")}</PageLink>
        <PageLink to="/access" path={path}>{t("nav.access")}<AttentionCount /></PageLink>
      </nav>
      <HealthPill />
      <ThemeSwitch name="bar-theme" />
      <PersonMenu name={session.name} onHelp={onHelp} />
    </header>
  );
}

function PageLink({ to, path, children }: { to: string; path: string; children: ComponentChildren }) {
  const here = path === to || path.startsWith(`${to}/`);
  return <a href={to} aria-current={here ? "page" : undefined}>{children}</a>;
}

/** How many grants need the person. */
function AttentionCount() {
  const count = useAccess().filter(({ group }) => group === "attention").length;
  if (count === 0) return null;
  return <span class="attention"><span aria-hidden="true">{count}</span><span class="unseen">{t("nav.attention", { count })}</span></span>;
}

function PersonMenu({ name, onHelp }: { name: string; onHelp: () => void }) {
  const { auth, preferences } = useApp();
  const menu = useRef<HTMLDivElement>(null);
  const act = (action: () => void) => () => {
    menu.current?.hidePopover();
    action();
  };
  return (
    <>
      <button type="button" class="person" popovertarget="person-menu" aria-label={t("person.menu", { name })}>
        <span class="initials" aria-hidden="true">{initials(name)}</span>
        <span class="person-name" dir="auto" aria-hidden="true">{name}</span>
      </button>
      <div id="person-menu" class="menu" popover="auto" ref={menu}>
        <p class="menu-name" dir="auto">{name}</p>
        <ThemeSwitch name="menu-theme" />
        <label class="menu-field">
          <span>{t("person.language")}</span>
          <select value={language.value} onChange={(event) => void preferences.setLanguage(event.currentTarget.value as Language)}>
            {Object.entries(LANGUAGES).map(([tag, own]) => <option key={tag} value={tag} lang={tag}>{own}</option>)}
          </select>
        </label>
        <button type="button" class="menu-item" onClick={act(onHelp)}><Keyboard class="icon" />{t("person.keys")}</button>
        <button type="button" class="menu-item" onClick={act(() => void auth.signOut())}><LogOut class="icon" />{t("action.signOut")}</button>
      </div>
    </>
  );
}

function initials(name: string): string {
  return name.split(/\s+/).map((word) => String.fromCodePoint(word.codePointAt(0) ?? 0x20)).slice(0, 2).join("").toUpperCase();
}
