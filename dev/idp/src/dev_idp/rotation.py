"""Keycloak's rule of rotation and reuse (`revokeRefreshToken`, `refreshTokenMaxReuse`), as a pure function."""

from dataclasses import dataclass

from dev_idp import errors
from dev_idp.realm import Lifetimes


@dataclass(frozen=True, slots=True)
class Use:
    """A refresh token that is about to be used.

    uses: how often it was used before. generation: how many refreshes lie behind it. newest_used: the highest
    generation of the grant that was used.
    """

    uses: int
    generation: int
    newest_used: int


def refusal(rules: Lifetimes, use: Use) -> str | None:
    """Why the token must not be used once more, which ends its grant; None when it may.

    A token may be used `1 + max_reuse` times, but not any more once its child was used.
    """
    if not rules.rotate:
        return None
    if use.uses > rules.max_reuse:
        return errors.REFRESH_OVERUSED
    return errors.REFRESH_STALE if use.generation < use.newest_used else None
