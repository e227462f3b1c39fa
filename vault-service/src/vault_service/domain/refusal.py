"""Decides when refusals of a refresh are final: a pure rule over the words that the authorization server has used.

`invalid_grant` and its kin are final at once and are not judged here. Other words (`interaction_required`,
`access_denied`, unknown ones) can be temporary: the refresh is tried again after growing pauses. The same word three
times in a row, or six refusals of any kind, are final. The words are kept in the grant's row, so that replicas agree.
"""

from collections.abc import Sequence
from typing import Final

PAUSES: Final = (10.0, 30.0, 60.0, 120.0, 240.0)
"""Seconds until the next attempt, after the first refusal, the second, and so on."""
EQUAL_UNTIL_FINAL: Final = 3
ANY_UNTIL_FINAL: Final = len(PAUSES) + 1


def pause_after(words: Sequence[str]) -> float | None:
    """Seconds until the refresh may be tried again; None when the last refusal is final.

    words: of the refusals since the last success, oldest first; not empty.
    """
    last = words[-EQUAL_UNTIL_FINAL:]
    is_equal = len(last) == EQUAL_UNTIL_FINAL and len(set(last)) == 1
    return None if is_equal or len(words) >= ANY_UNTIL_FINAL else PAUSES[len(words) - 1]
