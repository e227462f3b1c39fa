"""Names that people give: trimmed, visible, and without characters that turn the direction of the text around them."""

import unicodedata

from service_kit.http.inputs import invalid

_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset({"Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs"})


def visible_name(text: str, pointer: str) -> str:
    """The name without spaces around it. Problem: 422 `invalid_input` at `pointer`."""
    if _TURNS & set(text):
        raise invalid(pointer, "has characters that change the direction of text")
    if all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise invalid(pointer, "has no visible characters")
    return text.strip()
