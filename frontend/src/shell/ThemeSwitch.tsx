import { useApp } from "../app";
import { THEMES, type Theme } from "../preferences";
import { t } from "../texts";
import { Monitor, Moon, Sun, type Icon } from "../ui/icons";

const ICONS: Record<Theme, Icon> = { system: Monitor, light: Sun, dark: Moon };

/** name: of the radio group; unique on the page. */
export function ThemeSwitch({ name }: { name: string }) {
  const { preferences } = useApp();
  return (
    <fieldset class="themes">
      <legend class="unseen">{t("theme.label")}</legend>
      {THEMES.map((theme) => {
        const Icon = ICONS[theme];
        return (
          <label key={theme} title={t(`theme.${theme}`)}>
            <input
              type="radio"
              name={name}
              value={theme}
              checked={preferences.theme.value === theme}
              onChange={() => preferences.setTheme(theme)}
              aria-label={t(`theme.${theme}`)}
            />
            <Icon class="icon" />
          </label>
        );
      })}
    </fieldset>
  );
}
