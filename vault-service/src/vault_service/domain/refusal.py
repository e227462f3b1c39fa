"""Decides when refusals of a refresh are final: a pure rule over the words that the authorization server has used.

`invalid_grant` and its kin are final at once and are not judged here. Other words (`interaction_required`,
`access_denied`, unknown ones) can be temporary: the refresh is tried again after growing pauses. The same word three
times in a row, or six refusals of any kind, are final. The words are kept in the grant's row, so that replicas agree.

A token that has reached its end is refused with the same words as a revoked one (RFC 6749 section 5.2: "invalid,
expired, revoked"). The end that the server announced tells them apart.
"""

from collections.abc import Sequence
from typing import Final

from vault_service.domain.grant import Failure

PAUSES: Final = (10.0, 30.0, 60.0, 120.0, 240.0)
"""Seconds until the next attempt, after the first refusal, the second, and so on."""
EQUAL_UNTIL_FINAL: Final = 3
ANY_UNTIL_FINAL: Final = len(PAUSES) + 1
END_TOLERANCE: Final = 30.0
"""Seconds before its announced end at which a token may be over: clocks differ, and servers round."""
_AMBIGUOUS: Final = frozenset({Failure.TOKEN_REVOKED, Failure.REAUTHORIZATION_REQUIRED})


def pause_after(words: Sequence[str]) -> float | None:
    """Seconds until the refresh may be tried again; None when the last refusal is final.

    words: of the refusals since the last success, oldest first; not empty.
    """
    last = words[-EQUAL_UNTIL_FINAL:]
    is_equal = len(last) == EQUAL_UNTIL_FINAL and len(set(last)) == 1
    return None if is_equal or len(words) >= ANY_UNTIL_FINAL else PAUSES[len(words) - 1]


def failure_at(ends_in: float | None, failure: Failure) -> Failure:
    """What a final refusal means for a token that ends in so many seconds (None: the server did not say)."""
    is_over = ends_in is not None and ends_in <= END_TOLERANCE
    return Failure.TOKEN_EXPIRED if is_over and failure in _AMBIGUOUS else failure
