"""What the vault can answer instead of a token.

VaultError
├── TokenNotFound       no such token, or another person's
├── ConsentPending      the owner has not granted consent yet: ask again later
├── GrantUnusable       the token gives no access any more: the owner has to consent anew; `code` says why
├── NotAllowed          this client may not use the token, or asks for what was not granted
├── VaultUnavailable    nobody can say now: try again after `retry_after` seconds
└── UnexpectedAnswer    not an answer of a vault
"""


class VaultError(Exception):
    """code: the vault's stable word for what went wrong; detail: for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class TokenNotFound(VaultError):  # noqa: N818 - reads as what it is: `except TokenNotFound`
    """There is no such token for this owner."""


class ConsentPending(VaultError):  # noqa: N818
    """The owner has not granted consent yet."""


class GrantUnusable(VaultError):  # noqa: N818
    """The token gives no access any more."""


class NotAllowed(VaultError):  # noqa: N818
    """This client may not do that."""


class UnexpectedAnswer(VaultError):  # noqa: N818
    """The answer is not one of a vault."""


class VaultUnavailable(VaultError):  # noqa: N818
    """The vault, or the authorization server behind it, cannot answer now. retry_after: seconds."""

    def __init__(self, code: str, detail: str, retry_after: float = 2.0) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after
