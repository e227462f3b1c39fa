"""The figures that the suite measures: printed as a table at its end, and stored as JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. number: of the list in docs/faults.md."""

    number: str
    what: str
    goal: str
    measured: float


@dataclass
class Figures:
    """The figures so far."""

    long: bool
    kept: list[Figure] = field(default_factory=list)

    def keep(self, number: str, what: str, goal: str, measured: float) -> None:
        """Note a figure."""
        self.kept.append(Figure(number, what, goal, measured))

    def dump(self) -> list[dict[str, object]]:
        """The figures in a form that travels between processes."""
        return [asdict(figure) for figure in self.kept]

    def load(self, dumped: Iterable[Mapping[str, Any]]) -> None:
        """Add figures that another process has measured."""
        self.kept += [Figure(**figure) for figure in dumped]

    def table(self) -> list[str]:
        """The lines to print."""
        width = max((len(figure.what) for figure in self.kept), default=0)
        rows = sorted(self.kept, key=lambda figure: figure.number)
        return [f"{row.number}  {row.what:<{width}}  {row.measured:>8g}  (goal {row.goal})" for row in rows]

    def write(self, path: Path) -> None:
        """Keep them as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"form": "long" if self.long else "short", "figures": self.dump()}
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
