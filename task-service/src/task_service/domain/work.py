"""The work of a task: its kind, and the parameters of the kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_KIND = "demo"


@dataclass(frozen=True, slots=True)
class Work:
    """A kind with its parameters. parameters: as JSON (RFC 8259) has them."""

    kind: str = DEFAULT_KIND
    parameters: Mapping[str, Any] = field(default_factory=dict)


DEMONSTRATION = Work()
"""What a task does whose owner has not said."""
