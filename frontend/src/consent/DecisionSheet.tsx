import type { ComponentChildren } from "preact";

import type { Grant } from "../api/types";
import { useApp } from "../app";
import { scopesOf } from "../access/words";
import { t } from "../texts/later";
import { Key } from "../ui/icons";
import { Time } from "../ui/Time";
import { TroubleBox } from "../ui/TroubleBox";

interface DecisionProps {
  title: string;
  text: string;
  grant: Grant;
  /** The buttons. */
  children: ComponentChildren;
}

/** A question to a person: what it is about, who is asked, and the answers. */
export function DecisionSheet({ title, text, grant, children }: DecisionProps) {
  const { auth, troubles } = useApp();
  const session = auth.session.value;
  const trouble = troubles.of(grant.persistentTokenId);
  return (
    <main class="page decision" id="main">
      <section class="sheet" aria-labelledby="page-title">
        <div class="dialog-icon tone-purple"><Key class="icon" /></div>
        <h1 id="page-title" tabIndex={-1} class="wrap">{title}</h1>
        <p>{text}</p>
        <dl class="facts">
          <div><dt>{t("fact.services")}</dt><dd dir="auto">{grant.services.join(", ")}</dd></div>
          <div><dt>{t("fact.scopes")}</dt><dd>{scopesOf(grant)}</dd></div>
          <div><dt>{t("fact.provider")}</dt><dd>{grant.provider}</dd></div>
          <div><dt>{t("fact.end")}</dt><dd>{grant.notAfter === undefined ? t("decision.noEnd") : <Time at={grant.notAfter} />}</dd></div>
          {grant.maxUses !== undefined && <div><dt>{t("fact.left")}</dt><dd>{grant.maxUses}</dd></div>}
          <div><dt>{t("decision.you")}</dt><dd dir="auto">{"name" in session ? session.name : ""}</dd></div>
        </dl>
        {trouble && <TroubleBox trouble={trouble} />}
        <div class="dialog-actions">{children}</div>
      </section>
    </main>
  );
}

/** In place of a question: it is answered, over, or another person's. */
export function NoDecision({ title, text, id }: { title: string; text: string; id: string }) {
  const { troubles } = useApp();
  const trouble = troubles.of(id);
  return (
    <main class="page decision" id="main">
      <div class="sheet">
        <h1 id="page-title" tabIndex={-1}>{title}</h1>
        {trouble ? <TroubleBox trouble={trouble} /> : <p>{text}</p>}
        <div class="dialog-actions"><a class="button button--primary" href="/tasks">{t("unknown.go")}</a></div>
      </div>
    </main>
  );
}

export function DecisionWait() {
  return <main class="page" id="main" aria-busy="true"><p class="page-wait">{t("access.loading")}</p></main>;
}
