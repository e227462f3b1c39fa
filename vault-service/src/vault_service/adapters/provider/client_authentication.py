"""Authentication of the vault as a client at a token endpoint: `client_secret_basic` and `client_secret_post` (RFC 6749
section 2.3.1), `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core 1.0 section 9), or `none`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote
from uuid import uuid4

from service_kit.tokens.signatures import ClientKey

ASSERTION_SECONDS = 60
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class ClientProof:
    """The parts of a request that prove the client: HTTP Basic credentials, or more members of the form."""

    basic: tuple[str, str] | None
    form: Mapping[str, str]

    def __repr__(self) -> str:
        return "***"


class ClientAuthentication(Protocol):
    """Proves the client to one endpoint."""

    def proof(self, url: str) -> ClientProof:
        """The proof for one request to that address."""
        ...


class BasicSecret:
    """`client_secret_basic`."""

    def __init__(self, client_id: str, secret: str) -> None:
        # RFC 6749 section 2.3.1: both are form-encoded before they are used as user name and password.
        self._proof = ClientProof((quote(client_id, safe=""), quote(secret, safe="")), {})

    def proof(self, url: str) -> ClientProof:  # noqa: ARG002 - of the protocol
        """The same for every address."""
        return self._proof


class PostedSecret:
    """`client_secret_post`."""

    def __init__(self, client_id: str, secret: str) -> None:
        self._proof = ClientProof(None, {"client_id": client_id, "client_secret": secret})

    def proof(self, url: str) -> ClientProof:  # noqa: ARG002 - of the protocol
        """The same for every address."""
        return self._proof


class PublicClient:
    """`none`: the client has only its name."""

    def __init__(self, client_id: str) -> None:
        self._proof = ClientProof(None, {"client_id": client_id})

    def proof(self, url: str) -> ClientProof:  # noqa: ARG002 - of the protocol
        """The same for every address."""
        return self._proof


class PrivateKeyJwtAuthentication:
    """`private_key_jwt`: a JWT for the endpoint, signed with the client's key, valid for a minute and used once."""

    def __init__(self, client_id: str, key: ClientKey, audience: str | None, clock: Callable[[], float]) -> None:
        """audience: the `aud`; None: the address of the endpoint. clock: seconds since the epoch."""
        self._client_id = client_id
        self._key = key
        self._audience = audience
        self._clock = clock

    def proof(self, url: str) -> ClientProof:
        """A new assertion."""
        now = int(self._clock())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": self._audience or url,
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        form = {
            "client_id": self._client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._key.jwt(claims),
        }
        return ClientProof(None, form)
