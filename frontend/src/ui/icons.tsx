/** The icons that the page uses, by what they mean here. All are decoration: what they say stands beside them. */
import type { LucideIcon } from "lucide-preact";

export {
  Check,
  ChevronDown as Unfold,
  Circle as Dot,
  CircleStop as Stop,
  Clock,
  Copy,
  Download,
  Hourglass,
  Inbox,
  KeyRound as Key,
  Keyboard,
  LoaderCircle as Spin,
  LogOut,
  Monitor,
  Moon,
  Pause,
  Play,
  Plus,
  RefreshCw as Refresh,
  RotateCw as Again,
  Search,
  ShieldCheck as Shield,
  Sun,
  Trash2 as Trash,
  TriangleAlert as Warning,
  X as Cross,
} from "lucide-preact";
export type Icon = LucideIcon;

/** A vault's door: hinges, a dial with three spokes. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="mark-door" x="1" y="1" width="30" height="30" rx="8" />
      <path class="mark-line" d="M5.6 10.5v3M5.6 18.5v3" />
      <circle class="mark-line" cx="17.5" cy="16" r="7.2" />
      <path class="mark-line" d="M17.5 13.6V8.8M19.6 17.2l4.1 2.4M15.4 17.2l-4.1 2.4" />
      <circle class="mark-hub" cx="17.5" cy="16" r="2.4" />
    </svg>
  );
}
