import { Button } from "../ui/Button";
import { Mark } from "../ui/icons";
import { t } from "../texts";

/** Why the page cannot even ask who is there; `obstacle.…` in the texts. */
export type Obstacle = "browser" | "storage" | "configuration" | "offline";

export function NotStarted({ obstacle }: { obstacle: Obstacle }) {
  return (
    <main class="landing" id="main">
      <div class="hero" role="alert" data-obstacle={obstacle}>
        <Mark />
        <h1>{t(`obstacle.${obstacle}`)}</h1>
        <p>{t(`obstacle.${obstacle}.advice`)}</p>
        <Button look="glass" onClick={() => location.reload()}>{t("action.retry")}</Button>
      </div>
    </main>
  );
}
