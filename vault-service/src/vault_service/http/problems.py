"""The vault's problem table: from domain errors to problem types, with the codes that only the vault answers with."""

from service_kit.http import problems
from service_kit.http.problems import ByReason, ProblemTable, ProblemType
from vault_service.application import errors
from vault_service.domain.grant import Failure

UNUSABLE: ByReason = {
    reason: ProblemType(status, reason.value, detail)
    for reason, status, detail in (
        (Failure.CONSENT_DENIED, 409, "The owner has denied consent."),
        (Failure.CONSENT_EXPIRED, 409, "The owner did not answer the consent request in time."),
        (Failure.WRONG_USER, 409, "The authorization server answered for another person than the owner."),
        (Failure.PROVIDER_ERROR, 409, "The authorization server did not give a usable offline token."),
        (Failure.REAUTHORIZATION_REQUIRED, 409, "The authorization server requires a new consent."),
        (Failure.TOKEN_REVOKED, 410, "This token was revoked."),
        (Failure.TOKEN_EXPIRED, 410, "This token has expired or is used up."),
    )
}

TABLE: ProblemTable = {
    errors.GrantNotFoundError: ProblemType(404, "token_not_found"),
    errors.ConsentPendingError: ProblemType(409, "consent_pending"),
    errors.GrantUnusableError: UNUSABLE,
    errors.ServiceNotAllowedError: ProblemType(403, "service_not_allowed"),
    errors.InvalidScopeError: ProblemType(400, "invalid_scope"),
    errors.ScopeNotNarrowedError: ProblemType(409, "scope_not_narrowed"),
    errors.MinValidUnattainableError: ProblemType(422, "min_valid_unattainable"),
    errors.ProviderUnavailableError: problems.PROVIDER_UNAVAILABLE,
    errors.CheckedTooOftenError: problems.RATE_LIMITED,
    errors.StorageUnavailableError: ProblemType(503, "audit_unavailable", retry_after=2.0),
}
