"""The account that has consented, from the answer to a code.

At a server with OpenID Connect the ID token names the account. At another server the access token opens a configured
endpoint, whose answer has the account's name at a JSON pointer (RFC 6901).
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from service_kit.tokens import id_token
from service_kit.tokens.id_token import Expected
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from service_kit.tokens.jwt import InvalidTokenError
from vault_service.adapters.provider.answers import TokenResponse
from vault_service.adapters.provider.dialect import at_pointer, is_text
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.provider_errors import ProviderError, UnusableAnswerError
from vault_service.domain.grant import Subject


class Accounts(Protocol):
    """Tells whose tokens an answer holds."""

    def of(self, answer: TokenResponse, nonce: str) -> Subject:
        """The account. Raises UnusableAnswerError, which holds the answer's refresh token."""
        ...


@dataclass(frozen=True, slots=True)
class IdTokenAccounts:
    """By the verified ID token.

    clock_skew: seconds by which the server's clock may differ; clock: seconds since the epoch.
    """

    issuer: Issuer
    client_id: str
    algorithms: frozenset[str] | None
    clock_skew: float
    clock: Callable[[], float] = time.time

    def of(self, answer: TokenResponse, nonce: str) -> Subject:
        """The subject of the ID token (OpenID Connect Core 1.0 section 3.1.3.7)."""
        expected = Expected(self.client_id, nonce, self.algorithms, self.clock_skew, self.clock)
        try:
            return Subject(self.issuer.url, id_token.verify(answer.id_token or "", self.issuer, expected))
        except InvalidTokenError as error:
            raise UnusableAnswerError(f"id_token:{error}", answer.obtained) from error
        except IssuerUnavailableError as error:
            raise UnusableAnswerError("id_token:keys unavailable", answer.obtained) from error


@dataclass(frozen=True, slots=True)
class EndpointAccounts:
    """By a resource of the server. issuer: the name under which its accounts are stored."""

    issuer: str
    endpoint: TokenEndpoint
    url: str
    pointer: str

    def of(self, answer: TokenResponse, nonce: str) -> Subject:  # noqa: ARG002 - there is no ID token to hold it
        """The account at the pointer: a text, or a whole number as text."""
        try:
            document = json.loads(self.endpoint.fetch(self.url, answer.access_token))
        except ProviderError as error:
            raise UnusableAnswerError("account:unavailable", answer.obtained) from error
        except (ValueError, RecursionError) as error:
            raise UnusableAnswerError("account:not JSON", answer.obtained) from error
        name = at_pointer(document, self.pointer)
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not is_text(name):
            raise UnusableAnswerError("account:nothing at the pointer", answer.obtained)
        return Subject(self.issuer, name)
