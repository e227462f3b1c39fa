"""Decides whether a grant gives access tokens now: a pure rule over its state and the requester."""

import enum
from dataclasses import dataclass

from vault_service.domain.audit import Via
from vault_service.domain.grant import Failure, Status, Subject


@dataclass(frozen=True, slots=True)
class Requester:
    """The requester of an access token.

    client: the `azp`; is_owner: True for the owner's own token, not a service's; via: the ticket that is used, which
    `client` has made.
    """

    client: str
    is_owner: bool
    owner: Subject
    via: Via | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """The state of a grant as the rule needs it. consent_expired: a consent can no longer be given; ended: its time or
    uses are up.

    services: the client ids that may use the grant; has_token: whether a refresh token is kept.
    """

    status: Status
    failure: Failure | None
    services: frozenset[str]
    consent_expired: bool
    ended: bool
    has_token: bool


class Obstacle(enum.Enum):
    """Reasons why a sound grant gives no token."""

    CONSENT_PENDING = enum.auto()
    SERVICE_NOT_ALLOWED = enum.auto()


Refusal = Failure | Obstacle


def refusal_of_use(state: GrantState, requester: Requester) -> Refusal | None:
    """The reason why the requester gets no access token, or None."""
    if not requester.is_owner and requester.client not in state.services:
        return Obstacle.SERVICE_NOT_ALLOWED
    return _refusal(state)


def refusal_of_check(state: GrantState) -> Refusal | None:
    """The reason why the owner cannot check the grant, or None. A failed grant with a token can be checked."""
    if state.status is Status.FAILED and state.has_token:
        return None
    return _refusal(state)


def _refusal(state: GrantState) -> Refusal | None:
    match state.status:
        case Status.PENDING:
            return Failure.CONSENT_EXPIRED if state.consent_expired else Obstacle.CONSENT_PENDING
        case Status.FAILED:
            return state.failure or Failure.REAUTHORIZATION_REQUIRED
        case Status.REVOKED:
            return Failure.TOKEN_REVOKED
        case Status.EXPIRED:
            return Failure.TOKEN_EXPIRED
        case Status.ACTIVE:
            return Failure.TOKEN_EXPIRED if state.ended else None
