"""Tokens and keys appear in no repr, no log line and no exception."""

import dataclasses
import importlib
import io
import json
import pkgutil
import re
import threading
import traceback
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
import structlog
from replica import ALICE, ROOT_KEY, Replica, answer, wish
from scripted_provider import ScriptedProvider
from trouble import INTENT, RECORD, ROTATION, STORE, Trouble

import vault_service
from service_kit.process import logs
from service_kit.process.secret import Secret
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.adapters.provider.client_authentication import BasicSecret
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import GrantRefusedError, UncertainError, VaultClientRefusedError
from vault_service.domain.grant import AccessToken, Failure, RefreshToken

MARK = "S3CR3T"
SECRET_NAME = re.compile(r"(^|_)(token|secret|verifier|nonce|state|code|password|value|key)$|^(consent_)?url$")
HARMLESS = {
    "TokenBatchResult.token",  # an IssuedToken, which prints as ***
    "Diagnosis.state",
    "Addresses.token",
    "EndpointAccounts.url",
    "KeyVersion.state",
}
Rows = Callable[..., list[tuple[object, ...]]]


def shapes() -> Iterator[type]:
    """Every dataclass and struct of the vault."""
    for module in pkgutil.walk_packages(vault_service.__path__, "vault_service."):
        if module.name.rpartition(".")[2] in {"wsgi", "__main__"}:  # they start something
            continue
        for shape in vars(importlib.import_module(module.name)).values():
            is_shape = isinstance(shape, type) and (
                dataclasses.is_dataclass(shape) or issubclass(shape, msgspec.Struct)
            )
            if is_shape and shape.__module__ == module.name:
                yield shape


def sample(shape: type) -> Any:
    """A value of that shape with the mark in every field that can be secret; None when it has no such field."""
    hints = typing.get_type_hints(shape)
    values = {name: _mark(f"{shape.__name__}.{name}", hints[name]) for name in _fields(shape)}
    return shape(**values) if any(values.values()) else None


def _fields(shape: type) -> list[str]:
    if dataclasses.is_dataclass(shape):
        return [field.name for field in dataclasses.fields(shape) if field.init]
    return list(shape.__struct_fields__)  # type: ignore[attr-defined]


def _mark(name: str, hint: object) -> object:
    kinds = [hint, *typing.get_args(hint)]
    if RefreshToken in kinds:
        return RefreshToken(MARK)
    if AccessToken in kinds:
        return AccessToken(MARK, 0.0, 0.0, frozenset())
    if Secret in kinds:
        return Secret(MARK)
    if str in kinds and SECRET_NAME.search(name.partition(".")[2]) and name not in HARMLESS:
        return MARK
    return None


def test_no_shape_prints_a_secret() -> None:
    """By repr, str, format and inside of others; what has a secret name or type is found by itself."""
    samples = [one for one in map(sample, shapes()) if one is not None]
    assert len(samples) >= 10
    leaking = {type(one).__qualname__ for one in samples if MARK in f"{one} {one!r} {one!s} {[one]} {(one,)!r}"}
    assert not leaking


def test_keys_do_not_print(vault: Replica) -> None:
    """Keyring and root key print without their bytes."""
    vault.keyring.load()
    _, key = vault.keyring.active("data")
    shown = f"{LocalRootKey(ROOT_KEY)!r} {LocalRootKey(ROOT_KEY)} {vault.keyring!r} {vault.keyring.versions()!r}"
    assert not any(secret in shown for secret in (repr(key), key.hex(), repr(ROOT_KEY), ROOT_KEY.hex()))


class MarkedProvider(ScriptedProvider):
    """A provider whose tokens all contain the mark."""

    def _answer(self, scopes: frozenset[str] | None = None) -> TokenAnswer:
        given = super()._answer(scopes)
        token = RefreshToken(f"{MARK}-{given.refresh_token.value if given.refresh_token else ''}")
        return dataclasses.replace(given, access_token=f"{MARK}-{given.access_token}", refresh_token=token)


@pytest.fixture
def provider() -> ScriptedProvider:
    """An authorization server whose tokens contain the mark."""
    return MarkedProvider(ALICE)


def _lost(vault: Replica, step: str, error: Exception) -> None:
    grant = vault.grant()
    with Trouble(step, after=True, error=error).befalls(vault):
        vault.issue(grant)


def _not_recorded(vault: Replica) -> None:
    grant = vault.grant()
    vault.issue(grant)  # the next one is remembered: its use is recorded by itself
    with Trouble(RECORD, after=True, error=StorageUnavailableError()).befalls(vault):
        vault.issue(grant)


def _altered(vault: Replica, change: bytes) -> None:
    grant = vault.grant()
    with vault.databases[0].connection() as connection:
        connection.execute(change)
    vault.issue(grant)


def _refused(vault: Replica) -> None:
    grant = vault.grant()
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED))
    vault.issue(grant)


def _other_root_key(vault: Replica) -> None:
    vault.grant()
    Keyring(vault.databases[0], LocalRootKey(bytes(32))).load()


def _bad_code(vault: Replica) -> None:
    started = vault.consent.request(wish())
    vault.consent.complete(answer(started.state, vault.provider, code="bad", browser_secret=MARK))


def _replayed(vault: Replica) -> None:
    vault.consent.complete(answer(MARK, vault.provider, code=MARK))


def _spent(vault: Replica) -> None:
    grant = vault.grant(max_uses=1)
    vault.issue(grant)
    vault.issue(grant)


PATHS: dict[str, Callable[[Replica], None]] = {
    "refused": _refused,
    "intent not stored": lambda vault: _lost(vault, INTENT, StorageUnavailableError()),
    "rotated and lost": lambda vault: _lost(vault, ROTATION, UncertainError("the answer did not come")),
    "client refused": lambda vault: _lost(vault, ROTATION, VaultClientRefusedError("invalid_client")),
    "outcome not stored": lambda vault: _lost(vault, STORE, RuntimeError("no")),
    "use not recorded": _not_recorded,
    "bit flipped": lambda vault: _altered(
        vault, b"update grants set refresh_token = set_byte(refresh_token, 20, get_byte(refresh_token, 20) # 1)"
    ),
    "generation changed": lambda vault: _altered(vault, b"update grants set generation = generation + 1"),
    "wrong root key": _other_root_key,
    "bad code": _bad_code,
    "replayed answer": _replayed,
    "used up": _spent,
}


@contextmanager
def _log() -> Iterator[io.BytesIO]:
    """Captures the service's log."""
    lines = io.BytesIO()
    before = structlog.get_config()
    logs.configure("vault", "debug")
    structlog.configure(logger_factory=structlog.BytesLoggerFactory(lines), cache_logger_on_first_use=False)
    try:
        yield lines
    finally:
        structlog.configure(**before)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_errors_show_no_token(
    vault: Replica, path: Callable[[Replica], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in the exception with its causes, nor in the log."""
    with _log() as lines:
        with pytest.raises(Exception) as caught:
            path(vault)
        logs.get(__name__).error("test.failed", exc_info=caught.value)
    logged = lines.getvalue().decode()
    assert type(caught.value).__name__ in logged
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + logged + caplog.text
    assert MARK not in told


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, json.dumps({"access_token": MARK, "token_type": "mac", "refresh_token": MARK})),
        (200, json.dumps({"access_token": [MARK], "token_type": "Bearer", "refresh_token": MARK})),
        (200, f'{{"access_token": "{MARK}'),
        (400, json.dumps({"error": "invalid_grant", "error_description": MARK})),
        (500, MARK),
    ],
)
def test_an_answer_of_an_authorization_server_does_not_show(status: int, body: str) -> None:
    """Neither the answer nor the request appears in the error."""

    class HttpHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = TokenEndpoint(LimitedSession(), BasicSecret("token-vault", MARK))
        with pytest.raises(Exception) as caught:
            endpoint.tokens(
                f"http://127.0.0.1:{server.server_port}/", {"grant_type": "refresh_token", "refresh_token": MARK}
            )
        server.shutdown()
    assert MARK not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)
