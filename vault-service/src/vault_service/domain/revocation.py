"""Revoking a token at its authorization server: the outcomes of an attempt, and when the next one is due."""

import enum

LONGEST_DELAY_SECONDS = 3600.0


class Outcome(enum.StrEnum):
    """revoked: by the server; unknown: to the server; not_offered: the server revokes nothing; unreadable: the stored
    token cannot be opened; postponed: to be tried again.
    """

    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NOT_OFFERED = "not_offered"
    UNREADABLE = "unreadable"
    POSTPONED = "postponed"


def delay_after(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, an hour at most. attempts: made so far."""
    return min(2.0 ** min(attempts, 12), LONGEST_DELAY_SECONDS)
