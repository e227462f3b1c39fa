"""From the vault's errors to problems: the one mapping, with the stable codes of the API."""

from collections.abc import Callable
from math import ceil

from service_kit.http.problems import Problem, ProblemTable
from vault_service.application import errors
from vault_service.domain.grant import Failure

_GONE = {Failure.TOKEN_REVOKED, Failure.TOKEN_EXPIRED}


def _plain(status: int, code: str) -> Callable[[Exception], Problem]:
    return lambda error: Problem(status, code, str(error))


def _unusable(error: Exception) -> Problem:
    reason = error.reason if isinstance(error, errors.GrantUnusableError) else Failure.TOKEN_REVOKED
    return Problem(410 if reason in _GONE else 409, reason.value, _REASONS[reason])


def _provider_unavailable(error: Exception) -> Problem:
    seconds = error.retry_after if isinstance(error, errors.ProviderUnavailableError) else 5.0
    return Problem(503, "provider_unavailable", str(error), {"Retry-After": str(max(ceil(seconds), 1))})


def _checked_too_often(error: Exception) -> Problem:
    seconds = error.retry_after if isinstance(error, errors.CheckedTooOftenError) else 60.0
    return Problem(429, "rate_limited", str(error), {"Retry-After": str(max(ceil(seconds), 1))})


def _storage_unavailable(error: Exception) -> Problem:
    return Problem(503, "audit_unavailable", str(error), {"Retry-After": "2"})


_REASONS = {
    Failure.CONSENT_DENIED: "The owner has denied consent.",
    Failure.CONSENT_EXPIRED: "The owner was asked for consent and did not answer in time.",
    Failure.WRONG_USER: "The authorization server has answered for somebody else than the owner.",
    Failure.PROVIDER_ERROR: "The authorization server did not give a usable offline token.",
    Failure.TOKEN_REVOKED: "This token was revoked.",
    Failure.TOKEN_EXPIRED: "This token has expired or is used up.",
    Failure.REAUTHORIZATION_REQUIRED: "The authorization server asks for a new consent.",
}

TABLE: ProblemTable = {
    errors.GrantNotFoundError: _plain(404, "token_not_found"),
    errors.ConsentPendingError: _plain(409, "consent_pending"),
    errors.GrantUnusableError: _unusable,
    errors.ServiceNotAllowedError: _plain(403, "service_not_allowed"),
    errors.InvalidScopeError: _plain(400, "invalid_scope"),
    errors.MinValidUnattainableError: _plain(422, "min_valid_unattainable"),
    errors.ProviderUnavailableError: _provider_unavailable,
    errors.CheckedTooOftenError: _checked_too_often,
    errors.StorageUnavailableError: _storage_unavailable,
}
