"""The calls. Redirects are not followed, answers are checked, problems become typed errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import requests
from requests.auth import AuthBase

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


class _Bearer(AuthBase):
    """RFC 6750 section 2.1. As `auth`, because a `.netrc` would replace a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


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

    def access_tokens(self, wanted: Sequence[tuple[str, str]], *, min_valid: int = 0) -> list[AccessToken | VaultError]:
        """Fresh access tokens for many pairs of persistent token id and subject: for each its token, or its error.

        None spoils another; a hundred at most. Raises NotAllowed, VaultUnavailable, UnexpectedAnswer for all of them.
        """
        tokens = [{"id": token_id, "subject": subject} for token_id, subject in wanted]
        body = self._call(
            "POST",
            "/access-tokens",
            self._credentials.bearer,
            retry=True,
            json={
                "tokens": tokens,
                "minValid": min_valid,
            },
        )
        return _read(lambda members: [_result(result) for result in members["results"]], body)

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
        return self._call("GET", path, bearer, retry=retry, params=query)

    def _call(
        self, method: str, path: str, bearer: Callable[[], str], *, retry: bool = False, **content: Any
    ) -> Mapping[str, Any]:
        headers = {"Accept": "application/json"}
        if request_id := self._request_id():
            headers["X-Request-ID"] = request_id
        try:
            answer = self._session.request(
                method,
                self._base_url + path,
                headers=headers,
                auth=_Bearer(bearer()),
                timeout=self._timeout,
                allow_redirects=False,
                **content,
            )
        except requests.RequestException as error:
            raise VaultUnavailable("vault_unavailable", f"the vault does not answer ({type(error).__name__})") from None
        if answer.status_code == requests.codes.ok:
            return _json(answer)
        if answer.status_code == requests.codes.unauthorized and retry:
            self._credentials.forget()  # its key may have been rotated since
            return self._call(method, path, bearer, **content)
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
    after = answer.headers.get("Retry-After", "")
    return _problem(answer.status_code, body, float(after) if after.isdecimal() else 2.0)


def _problem(status: int, body: Mapping[str, Any], retry_after: float) -> VaultError:
    """The error that a problem document means."""
    code, detail = str(body.get("code", "unexpected_answer")), str(body.get("detail", f"status {status}"))
    if status in {429, 500, 502, 503, 504}:
        return VaultUnavailable(code, detail, retry_after)
    if code == "consent_pending":
        return ConsentPending(code, detail)
    kind = {401: NotAllowed, 403: NotAllowed, 400: NotAllowed, 422: NotAllowed, 404: TokenNotFound}
    return kind.get(status, GrantUnusable if status in {409, 410} else UnexpectedAnswer)(code, detail)


def _result(body: Mapping[str, Any]) -> AccessToken | VaultError:
    """One result of a batch."""
    if "token" in body:
        return _access_token(body["token"])
    return _problem(int(body["problem"]["status"]), body["problem"], float(body.get("retryAfter", 2)))


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
