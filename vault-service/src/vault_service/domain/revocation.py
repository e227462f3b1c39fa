"""Revoking a token at its authorization server: the outcomes of an attempt, and when the next one is due."""

import enum

LONGEST_DELAY_SECONDS = 3600.0
LAST_ATTEMPT = 60
"""With the delays below, the last attempt is about two days after the first."""


class RevocationOutcome(enum.StrEnum):
    """revoked: by the server; unknown: to the server; not_offered: the server revokes nothing; refused: the server does
    not revoke it; given_up: the server did not answer for two days; unreadable: the stored token cannot be opened;
    postponed: to be tried again.
    """

    REVOKED = "revoked"
    UNKNOWN = "unknown"
    NOT_OFFERED = "not_offered"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    POSTPONED = "postponed"


def delay_after(attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, an hour at most. attempts: made so far."""
    return min(2.0 ** min(attempts, 12), LONGEST_DELAY_SECONDS)
