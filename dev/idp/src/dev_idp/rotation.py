"""Keycloak's rule for rotation and reuse (`revokeRefreshToken`, `refreshTokenMaxReuse`), as a pure function."""

from dataclasses import dataclass

from dev_idp import errors
from dev_idp.realm import Lifetimes


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A refresh token that is about to be used.

    uses: number of earlier uses. generation: number of refreshes before it. newest_used: the highest
    generation of the grant that has been used.
    """

    uses: int
    generation: int
    newest_used: int


def refusal(rules: Lifetimes, use: TokenUse) -> str | None:
    """The reason why the token must not be used again, which ends its grant; None if it may.

    A token may be used `1 + max_reuse` times, but not after its successor was used.
    """
    if not rules.rotate:
        return None
    if use.uses > rules.max_reuse:
        return errors.REFRESH_OVERUSED
    return errors.REFRESH_STALE if use.generation < use.newest_used else None
