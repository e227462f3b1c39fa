import { useApp } from "../app";
import type { Notice } from "../auth";
import { t } from "../texts";
import { Button } from "../ui/Button";
import { Mark } from "../ui/icons";
import { HowItWorks } from "./HowItWorks";

/** For everybody who is not signed in. */
export function Landing({ notice }: { notice: Notice | undefined }) {
  const { auth } = useApp();
  return (
    <main class="landing" id="main">
      <div class="hero">
        <Mark />
        <h1>{t("app.name")}</h1>
        <p>{t("landing.text")}</p>
        {notice !== undefined && <p class="notice" role="alert" data-notice={notice}>{t(`notice.${notice}`, { origin: location.origin })}</p>}
        <Button look="glass" onClick={() => void auth.signIn()}>{t("action.signIn")}</Button>
      </div>
      <HowItWorks class="how--wide" />
    </main>
  );
}
