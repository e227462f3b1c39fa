"""An authorization server from a client's view: discovery (OpenID Connect Discovery 1.0, RFC 8414) and signing keys
(RFC 7517).

The issuer is a public URL; in containers services reach it at another address. Back-channel endpoints are taken from
the discovery document and moved to that address; the issuer itself never changes.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jose import jwk
from jose.backends.base import Key
from jose.exceptions import JOSEError

from service_kit.outbound.session import Session
from service_kit.process import logs
from service_kit.process.settings import is_loopback
from service_kit.tokens import signatures
from service_kit.tokens.signatures import PublicKey

log = logs.get(__name__)

TIMEOUT = (2.0, 5.0)
REFETCH_UNKNOWN_AFTER = 30.0
REFETCH_ANYWAY_AFTER = 600.0
RETRY_AFTER_FAILURE = 2.0
MIN_RSA_BITS = 2048
_REQUIRED = frozenset({"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"})
_OPTIONAL: Mapping[str, type] = {
    "userinfo_endpoint": str,
    "revocation_endpoint": str,
    "end_session_endpoint": str,
    "authorization_response_iss_parameter_supported": bool,
    "id_token_algorithms": tuple,
}
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint")
_PUBLIC_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}


class IssuerUnavailableError(Exception):
    """The authorization server did not return its discovery document or its keys."""


class IssuerMismatchError(Exception):
    """The discovery document names another issuer than the configuration (RFC 8414 section 3.3)."""


class Metadata(msgspec.Struct, frozen=True):
    """The used members of a discovery document. URLs are public, as the server gave them.

    id_token_algorithms: signature algorithms of its ID tokens, empty when the server names none.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False
    id_token_algorithms: tuple[str, ...] = ()


class Issuer:
    """One authorization server. Metadata and keys are fetched when they are first needed, and kept during an outage."""

    def __init__(
        self,
        public_url: str,
        internal_url: str | None = None,
        *,
        algorithm: str = "RS256",
        session: Session | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """public_url: the `iss` of its tokens; internal_url: its address for services, if it differs."""
        self.url = public_url
        self.algorithm = algorithm
        self._base = public_url.rstrip("/")  # Discovery section 4.1: a trailing slash is removed
        self._internal_url = (internal_url or public_url).rstrip("/")
        self._session = session or Session()
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None
        self._keys: Mapping[str, Key] = {}
        self._entries: Sequence[Mapping[str, Any]] = ()
        self._keys_fetched_at = float("-inf")
        self._keys_tried_at = float("-inf")

    def metadata(self) -> Metadata:
        """The discovery document. Raises IssuerUnavailableError, IssuerMismatchError."""
        if self._metadata is not None:
            return self._metadata
        with self._lock:
            return self._discover()

    def backchannel(self, url: str) -> str:
        """The address at which services reach one of the issuer's public URLs."""
        if url == self._base or url.startswith(f"{self._base}/"):
            return self._internal_url + url.removeprefix(self._base)
        return url

    def key(self, key_id: str) -> Key | None:
        """The signing key with that id, or None. For an unknown id the keys are fetched again, at most once in 30 s.

        Raises IssuerUnavailableError only if the keys were never fetched.
        """
        age = self._clock() - self._keys_fetched_at
        known = self._keys.get(key_id)
        if age > (REFETCH_ANYWAY_AFTER if known else REFETCH_UNKNOWN_AFTER):
            self._refetch(wait=known is None)
            known = self._keys.get(key_id)
        return known

    def signing_keys(self, algorithm: str, key_id: str | None) -> Sequence[PublicKey]:
        """The keys of the JWK set that may verify a signature by that algorithm, with that id or without any.

        key_id: None for all that fit. Raises IssuerUnavailableError only if the keys were never fetched.
        """
        if not self._entries or self._clock() - self._keys_fetched_at > REFETCH_ANYWAY_AFTER:
            try:
                self._refetch(wait=not self._entries)
            except IssuerUnavailableError:
                if not self._entries:  # there are keys, though none for the algorithm of bearer tokens
                    raise
        named = [entry for entry in self._entries if _may_have_id(entry, key_id) and _may_verify(entry, algorithm)]
        return [key for entry in named if (key := signatures.public_key(entry, algorithm))]

    def look_again(self, *, at_once: bool) -> None:
        """Fetch the keys again, because a key is unknown. Raises IssuerUnavailableError only if there never were any.

        at_once: only for tokens that came directly from the issuer; others cause it at most once in 30 s.
        """
        if at_once:
            self._keys_tried_at = float("-inf")
        try:
            self._refetch(wait=True)
        except IssuerUnavailableError:
            if not self._entries:
                raise

    def _refetch(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return  # another thread is fetching, and the known key is valid
        try:
            patience = REFETCH_UNKNOWN_AFTER if self._keys else RETRY_AFTER_FAILURE
            if self._clock() - self._keys_tried_at < patience:
                if not self._keys:
                    raise IssuerUnavailableError(self.url)
                return
            self._keys_tried_at = self._clock()
            jwks_uri = self.backchannel(self._discover().jwks_uri)
            entries = _entries(self._get(jwks_uri))
            if not entries:
                raise IssuerUnavailableError("no usable key in the JWK set")
            keys = _verification_keys(entries, self.algorithm)
            self._entries = entries  # ID tokens may have other algorithms than bearer tokens
            if not keys:
                raise IssuerUnavailableError("no usable key in the JWK set")
            self._keys, self._keys_fetched_at = keys, self._clock()
        except IssuerUnavailableError:
            if not self._keys:
                raise
            log.warning("issuer.keys_kept", issuer=self.url)
        finally:
            self._lock.release()

    def _discover(self) -> Metadata:
        if self._metadata is not None:
            return self._metadata
        metadata = _metadata(self._get(f"{self._internal_url}/.well-known/openid-configuration"), self.url)
        if metadata.issuer != self.url:
            raise IssuerMismatchError(f"{self.url} was configured, the server says {metadata.issuer}")
        self._demand_security(metadata)
        self._metadata = metadata
        return metadata

    def _demand_security(self, metadata: Metadata) -> None:
        """Raise IssuerUnavailableError for an endpoint that is neither https nor where the configuration points.

        Plain http is for the configured origins, and for loopback where the issuer itself is on loopback.
        """
        for name in _ENDPOINTS:
            address = getattr(metadata, name)
            if address is not None and not self._is_secure(address):
                raise IssuerUnavailableError(f"{self.url}: its {name} is not an https URL")

    def _is_secure(self, address: str) -> bool:
        try:
            parts, own = urlsplit(address), urlsplit(self.url)
            inner = urlsplit(self._internal_url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                return False
        except ValueError:
            return False
        if parts.scheme == "https":
            return True
        is_local = is_loopback(parts.hostname) and is_loopback(own.hostname or "")
        return is_local or any((parts.scheme, parts.netloc) == (each.scheme, each.netloc) for each in (own, inner))

    def _get(self, url: str) -> bytes:
        try:
            answer = self._session.get(url, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise IssuerUnavailableError(f"{url}: {type(error).__name__}") from error
        if answer.status_code != requests.codes.ok:
            raise IssuerUnavailableError(f"{url}: {answer.status_code}")
        return answer.content


def demand_no_mismatch(metadata: Callable[[], Metadata]) -> None:
    """Raise IssuerMismatchError when the discovery document names another issuer. An unreachable server is no error.

    metadata: `Issuer.metadata`, or another way to get the document.
    """
    with suppress(IssuerUnavailableError):
        metadata()


def _metadata(document: bytes, url: str) -> Metadata:
    """The used members of a discovery document. An optional member of another type counts as absent."""
    try:
        members = msgspec.json.decode(document, type=dict[str, Any])
        algorithms = members.pop("id_token_signing_alg_values_supported", ())
        known = {field: members[field] for field in Metadata.__struct_fields__ if field in members}
        optional = {name for name in known if name not in _REQUIRED and not isinstance(known[name], _OPTIONAL[name])}
        known = {name: value for name, value in known.items() if name not in optional and name != "id_token_algorithms"}
        named = algorithms if isinstance(algorithms, list) else ()
        known["id_token_algorithms"] = tuple(name for name in named if isinstance(name, str))
        return msgspec.convert(known, Metadata)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerUnavailableError(f"{url}: no usable discovery document") from error


def _entries(document: bytes) -> Sequence[Mapping[str, Any]]:
    """The objects in a JWK set. Raises IssuerUnavailableError when it is none."""
    try:
        entries = msgspec.json.decode(document, type=dict[str, Any]).get("keys", [])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerUnavailableError("no usable JWK set") from error
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _verification_keys(entries: Sequence[Mapping[str, Any]], algorithm: str) -> dict[str, Key]:
    """The keys of a JWK set that may verify `algorithm`; others are ignored (RFC 7517 section 5)."""
    keys: dict[str, Key] = {}
    for entry in entries:
        if _fits(entry, algorithm):
            try:
                key = jwk.construct({name: entry[name] for name in _PUBLIC_MEMBERS[entry["kty"]]}, algorithm)
            except (JOSEError, ValueError, TypeError, KeyError):
                continue
            if _strong(key):
                keys[entry["kid"]] = key
    return keys


def _fits(entry: Mapping[str, Any], algorithm: str) -> bool:
    kind = {"RS": "RSA", "ES": "EC"}[algorithm[:2]]
    return (
        entry.get("kty") == kind
        and _may_verify(entry, algorithm)
        and all(isinstance(entry.get(name), str) for name in ("kid", *_PUBLIC_MEMBERS[kind]))
    )


def _may_verify(entry: Mapping[str, Any], algorithm: str) -> bool:
    """True when the key's own members allow it to verify that algorithm."""
    return (
        entry.get("use", "sig") == "sig" and "verify" in _operations(entry) and entry.get("alg", algorithm) == algorithm
    )


def _may_have_id(entry: Mapping[str, Any], key_id: str | None) -> bool:
    """True when the key has that id, or has none, or any will do."""
    return key_id is None or entry.get("kid") in (None, key_id)


def _operations(entry: Mapping[str, Any]) -> list[Any]:
    """The operations of a key (RFC 7517 section 4.3); a key without the member may verify."""
    operations = entry.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []


def _strong(key: Any) -> bool:
    prepared = getattr(key, "prepared_key", None)
    return not isinstance(prepared, RSAPublicKey) or prepared.key_size >= MIN_RSA_BITS
