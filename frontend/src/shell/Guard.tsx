import type { ComponentChildren } from "preact";
import { useEffect, useErrorBoundary } from "preact/hooks";

import { t } from "../texts";
import { Button } from "../ui/Button";

/** Keeps a fault of what is shown within it. at: where that is; elsewhere it is shown again. */
export function Guard({ at, children }: { at: string; children: ComponentChildren }) {
  const [fault, retry] = useErrorBoundary() as [unknown, () => void];
  useEffect(retry, [at]);
  return fault === undefined ? <>{children}</> : <NoPage why="broken" />;
}

/** In place of a page that cannot be shown. why: `….title` and `….text` in the texts. */
export function NoPage({ why }: { why: "broken" | "unloaded" }) {
  return (
    <main class="page" id="main">
      <div class="sheet empty" role="alert" data-no-page={why}>
        <h1 id="page-title" tabIndex={-1}>{t(`${why}.title`)}</h1>
        <p>{t(`${why}.text`)}</p>
        <Button look="primary" onClick={() => location.reload()}>{t("unloaded.reload")}</Button>
      </div>
    </main>
  );
}
