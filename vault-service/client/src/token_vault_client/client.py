"""The calls. Redirects are not followed, answers are checked, problems become typed errors."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import requests

from token_vault_client.credentials import Credentials
from token_vault_client.errors import (
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    TokenNotFound,
    UnexpectedAnswer,
    VaultError,
    VaultUnavailable,
)
from token_vault_client.model import AccessToken, Grant

PREFIX = "/api/auth/manager"

T = TypeVar("T")


class TokenVaultClient:
    """One vault, called with one client's credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        session: requests.Session | None = None,
        timeout: tuple[float, float] = (2.0, 20.0),
        request_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        """base_url: the vault or its gateway; timeout: to connect and to answer, in seconds; request_id: sent along."""
        self._base_url = base_url.rstrip("/") + PREFIX
        self._credentials = credentials
        self._session = session or requests.Session()
        self._timeout = timeout
        self._request_id = request_id

    def access_token(
        self, persistent_token_id: str, subject: str, *, min_valid: int = 0, scopes: Iterable[str] = ()
    ) -> AccessToken:
        """A fresh access token of `subject`, valid for at least `min_valid` seconds.

        Raises TokenNotFound, ConsentPending, GrantUnusable, NotAllowed, VaultUnavailable, UnexpectedAnswer.
        """
        query = {"id": persistent_token_id, "subject": subject}
        if min_valid:
            query["min_valid"] = str(min_valid)
        if scope := " ".join(sorted(scopes)):
            query["scope"] = scope
        body = self._get("/access-token", query, self._credentials.bearer, retry=True)
        return _read(_access_token, body)

    def grant(self, persistent_token_id: str, bearer: str) -> Grant:
        """One token of the person whose access token `bearer` is. Raises TokenNotFound, VaultUnavailable, …"""
        return _read(_grant, self._get(f"/tokens/{persistent_token_id}", {}, lambda: bearer))

    def grants(self, bearer: str, *, task_id: str | None = None) -> list[Grant]:
        """All tokens of that person, newest first; with a task id, those that were asked for that task."""
        body = self._get("/tokens", {"taskId": task_id} if task_id else {}, lambda: bearer)
        return _read(lambda members: [_grant(entry) for entry in members["tokens"]], body)

    def _get(
        self, path: str, query: Mapping[str, str], bearer: Callable[[], str], *, retry: bool = False
    ) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {bearer()}", "Accept": "application/json"}
        if request_id := self._request_id():
            headers["X-Request-ID"] = request_id
        try:
            answer = self._session.get(
                self._base_url + path, params=query, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise VaultUnavailable("vault_unavailable", f"the vault does not answer ({type(error).__name__})") from None
        if answer.status_code == requests.codes.ok:
            return _json(answer)
        if answer.status_code == requests.codes.unauthorized and retry:
            self._credentials.forget()  # its key may have been rotated since
            return self._get(path, query, bearer)
        raise _error(answer)


def _json(answer: requests.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise UnexpectedAnswer("unexpected_answer", f"{answer.status_code} without a JSON object")
    return body


def _error(answer: requests.Response) -> VaultError:
    try:
        body = _json(answer)
    except UnexpectedAnswer:
        body = {}
    code, detail = str(body.get("code", "unexpected_answer")), str(body.get("detail", f"status {answer.status_code}"))
    if answer.status_code in {429, 500, 502, 503, 504}:
        after = answer.headers.get("Retry-After", "")
        return VaultUnavailable(code, detail, float(after) if after.isdecimal() else 2.0)
    if code == "consent_pending":
        return ConsentPending(code, detail)
    kind = {401: NotAllowed, 403: NotAllowed, 400: NotAllowed, 422: NotAllowed, 404: TokenNotFound}
    return kind.get(answer.status_code, GrantUnusable if answer.status_code in {409, 410} else UnexpectedAnswer)(
        code, detail
    )


def _read(build: Callable[[Mapping[str, Any]], T], body: Mapping[str, Any]) -> T:
    try:
        return build(body)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnexpectedAnswer("unexpected_answer", "members are missing or of the wrong type") from None


def _access_token(body: Mapping[str, Any]) -> AccessToken:
    return AccessToken(
        value=str(body["accessToken"]),
        expires_at=datetime.fromisoformat(body["expiresAt"]),
        scopes=frozenset(body["scope"].split()),
    )


def _grant(body: Mapping[str, Any]) -> Grant:
    return Grant(
        persistent_token_id=str(body["persistentTokenId"]),
        status=str(body["status"]),
        task_id=body.get("taskId"),
        created_at=datetime.fromisoformat(body["createdAt"]),
    )
