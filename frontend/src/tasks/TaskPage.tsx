import { useEffect, useLayoutEffect, useState } from "preact/hooks";

import { AuditTable } from "../access/AuditTable";
import { LanePicture } from "../access/LanePicture";
import { AccessWords } from "../access/LaneRow";
import { useAccess, useGrantWatch } from "../access/useAccess";
import type { Task } from "../api/types";
import { useApp } from "../app";
import { nextOf } from "../lanes/coming";
import { rangeFor } from "../lanes/geometry";
import { navigate } from "../navigation";
import { t } from "../texts/later";
import { now } from "../tick";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Copy, Trash } from "../ui/icons";
import { TroubleBox } from "../ui/TroubleBox";
import { DeleteDialog } from "./DeleteDialog";
import { MainButton } from "./MainButton";
import { Dependencies } from "./Dependencies";
import { Runs } from "./Runs";
import { Schedule } from "./Schedule";
import { RunButtons, TaskCard } from "./TaskCard";
import { stateOf, viewOf } from "./view";

/** One task: what it is, its runs, the access it uses, and what was done with that access. */
export function TaskPage({ params }: { params?: Record<string, string> }) {
  const { store } = useApp();
  const id = params?.id ?? "";
  useLayoutEffect(() => store.show({ taskId: id }), [id]);
  const known = store.rows.value;
  const task = known?.find((row) => row.id === id);
  if (task === undefined && (known === undefined || store.late.value)) return <main class="page" id="main" aria-busy="true"><p class="page-wait">{t("tasks.loading")}</p></main>;
  if (task === undefined) return <GonePage />;
  return <KnownTask key={task.id} task={task} />;
}

function GonePage() {
  return (
    <main class="page" id="main">
      <div class="sheet empty">
        <h1 id="page-title" tabIndex={-1}>{t("task.gone")}</h1>
        <p>{t("task.gone.text")}</p>
        <a class="button button--primary" href="/tasks">{t("unknown.go")}</a>
      </div>
    </main>
  );
}

function KnownTask({ task }: { task: Task }) {
  const { troubles } = useApp();
  const [deleting, setDeleting] = useState(false);
  const view = viewOf(task);
  const trouble = troubles.of(task.id, stateOf(task));
  return (
    <main class="page task-page" id="main">
      <div class="page-head">
        <div>
          <a class="back" href="/tasks">{t("task.back")}</a>
          <h1 id="page-title" tabIndex={-1} class="wrap" dir="auto">{task.name}</h1>
        </div>
      </div>
      <section class="sheet panel" aria-label={t("task.state")} data-task-id={task.id} data-status={task.status} data-token-status={task.offlineTokenStatus}>
        <div class="panel-head">
          <div class="badges"><Badge {...view.status} />{view.token && <Badge {...view.token} />}</div>
          <MainButton task={task} view={view} describedBy="page-title" />
          <RunButtons task={task} view={view} />
          <CopyCurl task={task} />
          <Button small look="quiet" onClick={() => setDeleting(true)}><Trash class="icon" /> {t("action.delete")}</Button>
        </div>
        {trouble && <TroubleBox trouble={trouble} onDismiss={() => troubles.clear(task.id)} />}
        <TaskCard task={task} view={view} page />
      </section>
      {task.schedule !== undefined && <Schedule task={task} />}
      <Dependencies task={task} />
      <Runs task={task} />
      <AccessItUses task={task} />
      {deleting && <DeleteDialog tasks={[task]} onClose={() => setDeleting(false)} onDone={() => navigate("/tasks")} />}
    </main>
  );
}

/** The call that executes the task, for a shell. The token stays out of it. */
function CopyCurl({ task }: { task: Task }) {
  const { toasts, troubles } = useApp();
  const command = `curl -X POST ${location.origin}/api/tasks/${task.id}/execute -H "Authorization: Bearer $TOKEN"`;
  const copy = () =>
    navigator.clipboard.writeText(command).then(
      () => toasts.show(t("done.copied")),
      () => troubles.set(task.id, { title: t("problem.notCopied"), text: command }),
    );
  return <Button small look="quiet" onClick={() => void copy()}><Copy class="icon" /> {t("task.curl")}</Button>;
}

function AccessItUses({ task }: { task: Task }) {
  const { trails } = useApp();
  useGrantWatch();
  const access = useAccess().find(({ grant }) => grant.persistentTokenId === task.persistentTokenId);
  useEffect(() => {
    if (access !== undefined) trails.ensure(access.grant);
  }, [access?.grant]);
  if (access === undefined) {
    return <section class="sheet panel"><h2>{t("task.access")}</h2><p class="soft">{t("task.access.none")}</p></section>;
  }
  const { grant } = access;
  return (
    <>
      <section class="sheet panel" aria-labelledby="its-access">
        <div class="panel-head">
          <h2 id="its-access">{t("task.access")}</h2>
          <a class="link" href={`/access/${grant.persistentTokenId}`}>{t("access.detail")}</a>
        </div>
        <AccessWords access={access} />
        <LanePicture access={access} range={rangeFor([grant], now.value, nextOf([task]))} />
      </section>
      <section class="sheet panel" aria-labelledby="ledger">
        <h2 id="ledger">{t("task.ledger")}</h2>
        <p class="soft">{access.tasks.length > 1 ? t("task.ledger.shared", { count: access.tasks.length - 1 }) : t("task.ledger.text")}</p>
        <AuditTable grant={grant} />
      </section>
    </>
  );
}
