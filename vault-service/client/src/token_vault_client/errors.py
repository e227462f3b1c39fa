"""Errors of a call to the vault.

VaultError
├── NotAuthenticated    the credentials are not accepted, or cannot be read: log in, or replace them
├── TokenNotFound       no such grant, or another person's
├── ConsentPending      the owner has not granted consent yet: ask again later
├── GrantUnusable       the grant gives no access any more: the owner has to consent anew; `code` says why
├── NotAllowed          this client may not use the grant, or asks for what was not granted
├── VaultUnavailable    the vault cannot answer now: try again after `retry_after` seconds
└── UnexpectedAnswer    not an answer of a vault

`code` is stable: a problem code of the vault's API (`docs/api.md`), or one of the codes that this library adds:
`vault_unavailable`, `credentials_refused`, `credentials_unreadable`, `unexpected_answer`.
"""

MAKE_ANOTHER = "Have another ticket made by the owner of the grant, or by the service that made this one."
CONSENT_ANEW = "The owner has to grant consent anew."
UNKNOWN_PARAMETER = {"invalid_input", "bad_request"}
"""Codes with which a vault of an older version refuses a parameter that it does not know."""
_ADVICE = {
    "credentials_refused": "Check the client id and its secret or key at the authorization server.",
    "credentials_unreadable": "Check that the file exists, and that this process may read it.",
    "unauthorized": "Log in again, or replace the token, ticket or secret that this client sends.",
    "token_not_found": "Check the id, and that it is a grant of the person whom the request names.",
    "consent_pending": "Open the consent URL and grant access; then ask again.",
    "consent_denied": CONSENT_ANEW,
    "consent_expired": CONSENT_ANEW,
    "wrong_user": "The person who asked for the consent has to grant it, signed in as themselves.",
    "provider_error": "Check the client and the scopes at the authorization server; then ask for consent anew.",
    "reauthorization_required": CONSENT_ANEW,
    "token_revoked": CONSENT_ANEW,
    "token_expired": CONSENT_ANEW,
    "service_not_allowed": "The owner has to name this client among the grant's services, or it lacks the mint role.",
    "public_mint_refused": "Use the vault's address inside its network; its operator knows it.",
    "forbidden": "Use the credentials of a person; a service's do not do for this.",
    "invalid_scope": "Ask for a part of the scopes that the owner has granted.",
    "min_valid_unattainable": "Ask for less `min_valid`, or use `prefer_valid`.",
    "ticket_mistyped": "Copy the ticket again, whole: it has 76 characters.",
    "ticket_unknown": MAKE_ANOTHER,
    "ticket_expired": MAKE_ANOTHER,
    "ticket_used_up": MAKE_ANOTHER,
    "ticket_ended": MAKE_ANOTHER,
    "ticket_misplaced": "Send the ticket as the bearer token; end it and make another if it was in a URL.",
    "ticket_not_allowed": "Log in: a ticket only gives access tokens.",
    "ticket_not_found": "Check the ticket's id, and that you made the ticket or own the grant.",
    "too_many_tickets": "End tickets that are no longer used, or wait until some expire.",
    "scope_not_narrowed": "Make a ticket that names the scopes which the authorization server always gives.",
    "refresh_budget_spent": "Find out why the API refuses fresh tokens; `retry_after` says when to ask again.",
    "rate_limited": "Ask less often; `retry_after` says when again.",
    "vault_unavailable": "Check the vault's address and the network; then try again.",
}
"""What to do about a code; other codes have the advice of their class."""


class VaultError(Exception):
    """code: the stable word for what went wrong; detail: for people; request_id: for the vault's operator, or empty."""

    advice = "Report this with the request id to the operator of the vault."

    def __init__(self, code: str, detail: str, *, request_id: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.advice = _ADVICE.get(code, type(self).advice)

    def __str__(self) -> str:
        named = f"{self.code}, request {self.request_id}" if self.request_id else self.code
        return f"{self.detail.rstrip('.')} ({named}). {self.advice}"


class NotAuthenticated(VaultError):  # noqa: N818 - reads as what it is: `except NotAuthenticated`
    """The credentials are not accepted, or cannot be read."""

    advice = _ADVICE["unauthorized"]


class TokenNotFound(VaultError):  # noqa: N818
    """There is no such grant for this owner."""

    advice = _ADVICE["token_not_found"]


class ConsentPending(VaultError):  # noqa: N818
    """The owner has not granted consent yet."""

    advice = _ADVICE["consent_pending"]


class GrantUnusable(VaultError):  # noqa: N818
    """The grant gives no access any more."""

    advice = CONSENT_ANEW


class NotAllowed(VaultError):  # noqa: N818
    """This client may not do that, or the request is not valid."""

    advice = "Compare the request with the vault's API."


class UnexpectedAnswer(VaultError):  # noqa: N818
    """The answer is not one of a vault."""

    advice = "Check the vault's address: something else answers there."


class VaultUnavailable(VaultError):  # noqa: N818
    """The vault, or the authorization server behind it, cannot answer now. retry_after: seconds."""

    advice = "Try again after `retry_after` seconds."

    def __init__(self, code: str, detail: str, retry_after: float = 2.0, *, request_id: str = "") -> None:
        super().__init__(code, detail, request_id=request_id)
        self.retry_after = retry_after
