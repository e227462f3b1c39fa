/** What the person chose for this browser: the colour scheme and the language, and that the introduction was read. */
import { signal } from "@preact/signals";

import { language, preferredLanguage, speak, type Language } from "./texts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const THEME = "theme";
const LANGUAGE = "language";
const INTRODUCED = "introduced";

export class Preferences {
  readonly theme = signal<Theme>("system");
  /** True once a task of theirs has been completed: the introduction has done its work. */
  readonly introduced = signal(false);

  constructor(
    private readonly storage: Storage,
    private readonly root: HTMLElement = document.documentElement,
  ) {
    this.introduced.value = storage.getItem(INTRODUCED) !== null;
    this.show(THEMES.find((theme) => theme === storage.getItem(THEME)) ?? "system");
  }

  async speakPreferred(): Promise<void> {
    await speak(preferredLanguage(this.storage.getItem(LANGUAGE), navigator.languages)).catch(() => undefined);
  }

  async setLanguage(wanted: Language): Promise<void> {
    await speak(wanted).catch(() => undefined); // the chunk did not come: the language stays
    this.storage.setItem(LANGUAGE, language.value);
  }

  setTheme(theme: Theme): void {
    this.storage.setItem(THEME, theme);
    this.show(theme);
  }

  setIntroduced(): void {
    this.storage.setItem(INTRODUCED, "yes");
    this.introduced.value = true;
  }

  private show(theme: Theme): void {
    this.theme.value = theme;
    this.root.dataset.theme = theme;
  }
}
