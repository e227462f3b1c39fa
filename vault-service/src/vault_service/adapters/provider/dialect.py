"""The differences of one authorization server's answers from RFC 6749: configuration, with usual defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The differences of one server.

    access_lifetime: seconds of an access token whose life neither the answer nor the token tells; scope_delimiter: that
    of `scope`, None to send spaces and to read spaces and commas; scope_names: from the server's name of a scope to the
    requested one; bearer_words: values of `token_type` that mean Bearer; tokens_at: JSON pointer (RFC 6901) to the
    object with the tokens; refusals: further error words that are final at once; later: those that mean "try later".
    """

    access_lifetime: float = 60.0
    scope_delimiter: str | None = None
    scope_names: Mapping[str, str] = field(default_factory=dict)
    bearer_words: frozenset[str] = frozenset()
    tokens_at: str = ""
    refusals: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()

    def written(self, scopes: frozenset[str]) -> str:
        """The `scope` parameter for these scopes."""
        theirs = {ours: name for name, ours in self.scope_names.items()}
        return (self.scope_delimiter or " ").join(sorted(theirs.get(scope, scope) for scope in scopes))

    def read(self, scope: Any) -> frozenset[str] | None:
        """The scopes in a `scope` string or array; None when nothing readable is told, which is not "none"."""
        if isinstance(scope, list):
            names = {name for name in scope if is_text(name)}
            return self._renamed(names) if names or not scope else None
        if not isinstance(scope, str) or not (scope == "" or is_text(scope)):
            return None
        delimiters = " ," if self.scope_delimiter is None else f"{self.scope_delimiter} "
        for delimiter in delimiters:
            scope = scope.replace(delimiter, " ")
        return self._renamed(set(scope.split()))

    def _renamed(self, names: set[str]) -> frozenset[str]:
        return frozenset(self.scope_names.get(name, name) for name in names)


def is_text(value: Any) -> bool:
    """True for a string that is not empty and that PostgreSQL can store."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def at_pointer(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), None when there is none."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and len(name) < 6 and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document
