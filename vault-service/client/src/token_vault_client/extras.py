"""Imports of packages that come with an extra of this distribution."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around an import: an ImportError says which extra to install."""
    try:
        yield
    except ImportError as error:
        what = f"this needs {error.name or 'a package'}: pip install 'token-vault-client[{name}]'"
        raise ImportError(what, name=error.name) from error
