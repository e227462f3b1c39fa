import type { Task, TaskGraph } from "../api/types";
import { useApp } from "../app";
import { t } from "../texts/later";
import { Badge } from "../ui/Badge";
import { useLoaded } from "../ui/useLoaded";
import { DependencyGraph, isDrawn } from "./DependencyGraph";
import { statusBadge } from "./view";

/** What a task depends on, and what depends on it: directly as lists, and the whole as a graph once it is large. */
export function Dependencies({ task }: { task: Task }) {
  const { schedules } = useApp();
  const { data } = useLoaded(() => schedules.graph(task.id), [task]);
  if (data === undefined || data.edges.length === 0) return null;
  const before = data.edges.filter(({ taskId }) => taskId === task.id).map(({ dependsOn }) => dependsOn);
  const after = data.edges.filter(({ dependsOn }) => dependsOn === task.id).map(({ taskId }) => taskId);
  const further = data.nodes.length - 1 - new Set([...before, ...after]).size;
  const drawn = isDrawn(data);
  return (
    <section class="sheet panel" aria-labelledby="dependencies">
      <h2 id="dependencies">{t("depends.title")}</h2>
      <Nodes graph={data} ids={before} title={t("depends.on")} />
      <Nodes graph={data} ids={after} title={t("depends.after")} />
      {drawn && <DependencyGraph graph={data} current={task.id} />}
      {!drawn && further > 0 && <p class="soft">{t("depends.further", { count: further })}</p>}
      {!data.complete && <p class="soft">{t("depends.cut", { count: data.nodes.length })}</p>}
    </section>
  );
}

function Nodes({ graph, ids, title }: { graph: TaskGraph; ids: readonly string[]; title: string }) {
  const wanted = new Set(ids);
  if (wanted.size === 0) return null;
  return (
    <>
      <h3 class="depends-title">{title} <span class="chip-count">{wanted.size}</span></h3>
      <ul class="users">
        {graph.nodes.filter(({ id }) => wanted.has(id)).map(({ id, name, status }) => (
          <li key={id}><Badge {...statusBadge(status, undefined)} /> <a href={`/tasks/${encodeURIComponent(id)}`} dir="auto" title={name}>{name}</a></li>
        ))}
      </ul>
    </>
  );
}
