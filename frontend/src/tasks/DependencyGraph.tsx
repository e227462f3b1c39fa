import type { TaskGraph } from "../api/types";
import { t } from "../texts/later";
import { Badge } from "../ui/Badge";
import { layoutOf, type Place } from "./graphLayout";
import { statusBadge } from "./view";

/** Fewer dependencies are read faster as a list. */
const FEWEST = 4;
/** More tasks are no picture that anybody reads. */
const MOST_TASKS = 100;

export const isDrawn = ({ nodes, edges }: TaskGraph): boolean => edges.length >= FEWEST && nodes.length <= MOST_TASKS;

/** Pixels of a task's box, and from the beginning of one to that of the next. */
const BOX = { width: 176, height: 56 };
const STEP = { x: 224, y: 72 };

/** The whole graph: each column waits for those on its left. Scrolls within itself when it is larger than the page. */
export function DependencyGraph({ graph, current }: { graph: TaskGraph; current: string }) {
  const { places, lines, columns, rows } = layoutOf(graph);
  const size = { width: (columns - 1) * STEP.x + BOX.width, height: (rows - 1) * STEP.y + BOX.height };
  return (
    <div class="graph" data-graph={places.length} role="group" aria-label={t("depends.graph")} tabIndex={0}>
      <div class="graph-field" style={{ "--width": `${size.width}px`, "--height": `${size.height}px` }}>
        <svg class="graph-lines" viewBox={`0 0 ${size.width} ${size.height}`} width={size.width} height={size.height} aria-hidden="true" focusable="false">
          {lines.map(({ from, to }) => <path key={`${from.node.id} ${to.node.id}`} d={lineOf(from, to)} />)}
        </svg>
        <ol>
          {places.map(({ node: { id, name, status }, column, row }) => (
            <li key={id} style={{ "--x": `${column * STEP.x}px`, "--y": `${row * STEP.y}px` }}>
              <a class="graph-task" href={`/tasks/${encodeURIComponent(id)}`} aria-current={id === current ? "true" : undefined} title={name}>
                <span class="graph-name" dir="auto">{name}</span>
                <Badge {...statusBadge(status, undefined)} />
              </a>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}

/** From the end of one box to the beginning of the other. */
function lineOf(from: Place, to: Place): string {
  const [x1, y1] = [from.column * STEP.x + BOX.width, from.row * STEP.y + BOX.height / 2];
  const [x2, y2] = [to.column * STEP.x, to.row * STEP.y + BOX.height / 2];
  const bend = (STEP.x - BOX.width) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
