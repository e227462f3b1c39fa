"""DPoP (RFC 9449): a caller proves that it has the key to which its access token is bound.

`ProofChecker` makes the checks of section 4.3 that a protected resource makes. A proof brings its own key, which counts
only because the access token, which the issuer has signed, names its thumbprint (`cnf.jkt`, section 6.1). The server
gives no nonces (section 9): a proof is bound to its time by `iat`, and each is accepted once.
"""

import hashlib
import hmac
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from service_kit.tokens import jwt, signatures
from service_kit.tokens.jwt import InvalidTokenError

ALGORITHMS: Final = tuple(sorted(signatures.ALGORITHMS))
"""Asymmetric only, and never `none`."""
MAX_AGE_SECONDS: Final = 60
LEEWAY_SECONDS: Final = 10
"""How far a caller's clock may be ahead of ours."""
MAX_ID_LENGTH: Final = 256
REMEMBERED_SECONDS: Final = MAX_AGE_SECONDS + LEEWAY_SECONDS + 1
"""For so long an accepted proof could be accepted again."""
REMEMBERED_PROOFS: Final = 100_000
THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 in base64url (RFC 7638)."""

_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jku", "x5u", "x5c", "b64", "zip", "enc"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ENCODED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")


class InvalidProofError(Exception):
    """A check of a DPoP proof failed; the message names it."""


class TooManyProofsError(Exception):
    """More proofs came within a minute than this process can remember."""


class SeenProofs(Protocol):
    """Remembers accepted proofs for `REMEMBERED_SECONDS`."""

    def is_first(self, proof: bytes) -> bool:
        """Remember a proof; false if it was remembered already. proof: a digest. Raises TooManyProofsError."""
        ...


@dataclass(frozen=True, slots=True)
class BoundRequest:
    """A request with a bound access token.

    method: as in the request line; path: without the query, as in the request line; token: the access token;
    thumbprint: of the key that the token is bound to; proof: the value of the `DPoP` header.
    """

    method: str
    path: str
    token: str
    thumbprint: str
    proof: str


class _Header(msgspec.Struct, frozen=True):
    typ: str
    alg: str
    jwk: dict[str, Any]


class _Claims(msgspec.Struct, frozen=True):
    """RFC 9449 section 4.2; `exp` and `nbf` count where they are given (RFC 7519 section 4.1)."""

    jti: str
    htm: str
    htu: str
    iat: float
    ath: str
    exp: float | msgspec.UnsetType = msgspec.UNSET
    nbf: float | msgspec.UnsetType = msgspec.UNSET


class ProofsInMemory:
    """`SeenProofs` of one process. Replicas and processes that share nothing accept a proof once each."""

    def __init__(self, size: int = REMEMBERED_PROOFS, clock: Callable[[], float] = time.monotonic) -> None:
        """size: the maximum of proofs; when it is reached, none is accepted before one can be forgotten."""
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._known: set[bytes] = set()
        self._ends: deque[tuple[float, bytes]] = deque()

    def is_first(self, proof: bytes) -> bool:
        """See `SeenProofs`."""
        now = self._clock()
        with self._lock:
            while self._ends and self._ends[0][0] <= now:
                self._known.discard(self._ends.popleft()[1])
            if proof in self._known:
                return False
            if len(self._known) >= self._size:
                raise TooManyProofsError
            self._known.add(proof)
            self._ends.append((now + REMEMBERED_SECONDS, proof))
            return True


class ProofChecker:
    """Checks the proofs of requests to one service."""

    def __init__(self, urls: Iterable[str], seen: SeenProofs, clock: Callable[[], float] = time.time) -> None:
        """urls: those at which callers reach the service, without its routes' paths; clock: epoch seconds.

        Raises ValueError for a URL that is no absolute http(s) URL.
        """
        self._bases = tuple(normalized(url).rstrip("/") for url in urls)
        self._seen = seen
        self._clock = clock

    def check(self, presented: BoundRequest) -> None:
        """Return if the proof is valid and new. Raises InvalidProofError, TooManyProofsError.

        The signature is the last check but one, so that it is made with no key but the token's own.
        """
        try:
            header, claims, signature = _parsed(presented.proof)
        except InvalidTokenError as error:
            reason = error.__cause__ if isinstance(error.__cause__, msgspec.ValidationError) else error
            raise InvalidProofError(str(reason)) from None
        _check_header(header)
        if not hmac.compare_digest(thumbprint(header.jwk), presented.thumbprint):
            raise InvalidProofError("the key is not the one that the access token is bound to")
        self._check_claims(claims, presented)
        key = signatures.public_key(header.jwk, header.alg)
        signed = presented.proof.rpartition(".")[0].encode()
        if key is None or not signatures.is_valid(header.alg, key, signed, signature):
            raise InvalidProofError("signature")
        if not self._seen.is_first(hashlib.sha256(f"{presented.thumbprint}\n{claims.jti}".encode()).digest()):
            raise InvalidProofError("jti: this proof was used before")

    def _check_claims(self, claims: _Claims, presented: BoundRequest) -> None:
        if not 0 < len(claims.jti) <= MAX_ID_LENGTH:
            raise InvalidProofError(f"jti: it must have 1 to {MAX_ID_LENGTH} characters")
        if claims.htm != presented.method:
            raise InvalidProofError("htm: it is not the method of this request")
        if not self._is_address(claims.htu, presented.path):
            raise InvalidProofError("htu: it is not the address of this request")
        if not hmac.compare_digest(claims.ath.encode(), access_token_hash(presented.token).encode()):
            raise InvalidProofError("ath: it is not the hash of this access token")
        now = self._clock()
        if not now - MAX_AGE_SECONDS <= claims.iat <= now + LEEWAY_SECONDS:
            raise InvalidProofError(f"iat: it is not within the last {MAX_AGE_SECONDS} s by the server's clock")
        if isinstance(claims.exp, float) and not now - LEEWAY_SECONDS < claims.exp:
            raise InvalidProofError("exp")
        if isinstance(claims.nbf, float) and claims.nbf > now + LEEWAY_SECONDS:
            raise InvalidProofError("nbf")

    def _is_address(self, htu: str, path: str) -> bool:
        try:
            named = normalized(htu)
        except ValueError:
            return False
        return any(named == base + _normalized_path(path) for base in self._bases)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public JWK (RFC 7638), in base64url. Raises InvalidProofError."""
    kty = jwk.get("kty")
    names = _THUMBPRINT_MEMBERS.get(kty, ()) if isinstance(kty, str) else ()
    members = {name: jwk.get(name) for name in names}
    if not members or not all(isinstance(value, str) and value.isascii() for value in members.values()):
        raise InvalidProofError("jwk: it is no public key that signatures are checked with")
    return signatures.encoded(hashlib.sha256(msgspec.json.encode(members)).digest())


def access_token_hash(token: str) -> str:
    """The `ath` of a proof (RFC 9449 section 4.2)."""
    return signatures.encoded(hashlib.sha256(token.encode()).digest())


def normalized(url: str) -> str:
    """An http(s) URL without query and fragment, after RFC 3986 sections 6.2.2 and 6.2.3. Raises ValueError.

    Scheme and host in lower case, no default port, no empty path, no dot segments, no needless percent-encoding.
    """
    if len(url) > jwt.MAX_TOKEN_BYTES or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise ValueError(url)
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if scheme not in _DEFAULT_PORTS or "@" in parts.netloc or not _HOST.fullmatch(host):
        raise ValueError(url)
    port = parts.port  # ValueError beyond 65535
    suffix = "" if port is None or port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{suffix}{_normalized_path(parts.path)}"


def _normalized_path(path: str) -> str:
    """RFC 3986 sections 6.2.2.1 to 6.2.2.3; the empty path becomes `/`."""
    decoded = _ENCODED.sub(_needed_encoding, path)
    segments: list[str] = []
    for segment in decoded.split("/")[1:]:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if decoded.endswith(("/.", "/..")):
        segments.append("")
    return "/" + "/".join(segments)


def _needed_encoding(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _parsed(proof: str) -> tuple[_Header, _Claims, bytes]:
    unverified_header, document, signature = jwt.segments(proof, jwt.MAX_TOKEN_BYTES)
    members = jwt.parsed(unverified_header, dict[str, Any])
    if _FORBIDDEN_HEADERS & members.keys():
        raise InvalidTokenError("header")
    try:
        header = msgspec.convert(members, _Header)
    except msgspec.ValidationError as error:
        raise InvalidTokenError("header") from error
    return header, jwt.parsed(document, _Claims), signature


def _check_header(header: _Header) -> None:
    if header.typ != "dpop+jwt":
        raise InvalidProofError("typ: it is not dpop+jwt")
    if header.alg not in signatures.ALGORITHMS:
        raise InvalidProofError(f"alg: it is none of {' '.join(ALGORITHMS)}")
    if _PRIVATE_MEMBERS & header.jwk.keys():
        raise InvalidProofError("jwk: it holds a private key")
