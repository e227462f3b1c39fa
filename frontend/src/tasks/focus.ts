/** Where the focus goes when rows go: to the row that comes next, or to the page's title. Never to the body. */
export function focusNext(going: readonly string[]): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-task-id]")];
  const first = rows.findIndex((row) => going.includes(row.dataset.taskId ?? ""));
  const stays = (row: HTMLElement) => !going.includes(row.dataset.taskId ?? "");
  const next = rows.slice(first + 1).find(stays) ?? rows.slice(0, Math.max(first, 0)).findLast(stays);
  const target = next?.querySelector<HTMLElement>("[data-row-toggle]") ?? document.getElementById("page-title");
  requestAnimationFrame(() => target?.focus());
}
