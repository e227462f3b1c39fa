"""Text that people write and other people read: trimmed, visible, and in the direction that it seems to have.

This is the only place with the rule. `service_kit.http.inputs` applies it to each member that is marked with `VISIBLE`.
Emoji sequences and joiners inside words (U+200D, U+200C) are kept as they are.
"""

import re
import unicodedata
from typing import Any, Final

VISIBLE: Final[dict[str, Any]] = {"x-text": "visible"}
"""Marks a member as a person's text: `msgspec.Meta(extra_json_schema=VISIBLE)`. The OpenAPI document shows it."""

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
TURNS: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""For a character class: what controls the direction of the text around it (Unicode Standard Annex 9)."""
LINE: Final = rf"^[^{CONTROLS}{TURNS}]*$(?!\n)"
"""Pattern for one line of text: no control characters. (In Python `$` also matches before a last line feed.)"""
TEXT: Final = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029{TURNS}]*$"
"""Pattern for several lines of text: tab, line feed and carriage return are the only control characters."""

_NOT_SEEN: Final = frozenset({"Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs"})
_IGNORABLE: Final = (
    *(range(0x115F, 0x1161), range(0x2065, 0x2066), range(0x2800, 0x2801), range(0x3164, 0x3165)),
    *(range(0xFFA0, 0xFFA1), range(0xFFF0, 0xFFF9), range(0x1D159, 0x1D15A), range(0xE0000, 0xE1000)),
)
"""Beyond `_NOT_SEEN`: the rest of Default_Ignorable_Code_Point (UAX 44), with Hangul's fillers, Braille's blank and
music's null notehead."""
_BLANKS: Final = "\u00ad\u180e\u200b\u2060\u2800\u3164\ufeff\uffa0"
"""Removed at both ends, with all white space."""


def visible(text: str) -> str:
    """The text without blanks around it. Raises ValueError, with a reason, when nothing of it can be seen."""
    trimmed = text
    while trimmed != (shorter := trimmed.strip().strip(_BLANKS)):
        trimmed = shorter
    if text and not any(map(_is_seen, trimmed)):
        raise ValueError("has no visible characters")
    return trimmed


def line(text: str, longest: int) -> str:
    """One line without blanks around it, for text that does not come by HTTP. Raises ValueError, with a reason."""
    if not re.match(LINE, text):
        raise ValueError("has characters that are not allowed")
    trimmed = visible(text)
    if not 0 < len(trimmed) <= longest:
        raise ValueError(f"has {len(trimmed)} characters")
    return trimmed


def _is_seen(character: str) -> bool:
    is_ignorable = any(ord(character) in each for each in _IGNORABLE)
    return unicodedata.category(character) not in _NOT_SEEN and not is_ignorable
