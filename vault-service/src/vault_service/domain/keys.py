"""The versions of the vault's keys: what they are for, which one is active, and when one may be destroyed.

Each purpose has one active version. Older ones only open or verify, until they are retired.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

PURPOSES = {"data": 1, "audit": 2}
"""What keys are for, and the id of the first version of each: `data` seals tokens, `audit` authenticates the audit."""
LEAST_REST_SECONDS = 600
"""How long a version must have been inactive before it is retired: by then no process seals with it."""


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version. state: `active`, `retiring` (it only opens) or `retired` (destroyed).

    inactive_seconds: since another version became active; None while this one is.
    """

    id: int
    purpose: str
    state: str
    created_at: datetime
    inactive_seconds: float | None


def next_id(versions: Iterable[KeyVersion]) -> int:
    """The id of the next version. Ids are unique over all purposes."""
    return 1 + max(version.id for version in versions)


def refusal_to_retire(key_id: int, versions: Iterable[KeyVersion], sealed_values: int) -> str | None:
    """The reason why a version cannot be destroyed, or None. sealed_values: stored values that only it opens."""
    if sealed_values:
        return f"key {key_id} still seals {sealed_values} values: rewrap first"
    version = next((version for version in versions if version.id == key_id), None)
    if version is None:
        return f"there is no key {key_id}"
    if version.purpose == "audit":
        return f"key {key_id} is for the audit: old lines are verified with it"
    if version.state == "active":
        return f"key {key_id} is active: rotate first"
    if version.inactive_seconds is not None and version.inactive_seconds < LEAST_REST_SECONDS:
        wait = LEAST_REST_SECONDS - version.inactive_seconds
        return f"key {key_id} was active until just now: processes may seal with it for {wait:.0f} s more"
    return None
