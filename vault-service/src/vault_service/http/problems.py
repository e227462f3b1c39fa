"""The vault's problem table: from domain errors to problem types, with the codes that only the vault answers with."""

from service_kit.http import problems
from service_kit.http.problems import ByReason, ProblemTable, ProblemType
from vault_service.application import errors
from vault_service.domain.grant import Failure
from vault_service.domain.ticket import TicketFault

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

_TICKET_FAULTS = (
    (TicketFault.MISTYPED, "The ticket has a typing error, or a part of it is missing."),
    (TicketFault.UNKNOWN, "There is no such ticket, or its time was over long ago."),
    (TicketFault.EXPIRED, "The ticket's time is over."),
    (TicketFault.USED_UP, "The ticket has given as many access tokens as it may."),
    (TicketFault.ENDED, "The ticket was ended by its maker, its owner or its holder."),
)
TICKET_REFUSED: ByReason = {
    reason: ProblemType(401, reason.value, detail, challenge='error="invalid_token"')
    for reason, detail in _TICKET_FAULTS
}
TICKET_OVER: ByReason = {
    reason: ProblemType(410, reason.value, detail)
    for reason, detail in _TICKET_FAULTS
    if reason not in {TicketFault.MISTYPED, TicketFault.UNKNOWN}
}

INVALID_SCOPE = ProblemType(400, "invalid_scope")

TABLE: ProblemTable = {
    errors.GrantNotFoundError: ProblemType(404, "token_not_found"),
    errors.ConsentPendingError: ProblemType(409, "consent_pending"),
    errors.GrantUnusableError: UNUSABLE,
    errors.ConfirmationRefusedError: ProblemType(409, "confirmation_invalid"),
    errors.ConsentNotOpenError: ProblemType(409, "consent_not_open"),
    errors.TooManyConsentsError: ProblemType(409, "too_many_consents"),
    errors.ServiceNotAllowedError: ProblemType(403, "service_not_allowed"),
    errors.PublicMintRefusedError: ProblemType(403, "public_mint_refused"),
    errors.InvalidScopeError: INVALID_SCOPE,
    errors.LogoutRefusedError: ProblemType(400, "logout_token_invalid", "The logout token is not acceptable."),
    errors.ScopeNotNarrowedError: ProblemType(409, "scope_not_narrowed"),
    errors.MinValidUnattainableError: ProblemType(422, "min_valid_unattainable"),
    errors.ProviderUnavailableError: problems.PROVIDER_UNAVAILABLE,
    errors.TicketRefusedError: TICKET_REFUSED,
    errors.TicketOverError: TICKET_OVER,
    errors.TicketNotFoundError: ProblemType(404, "ticket_not_found"),
    errors.TooManyTicketsError: ProblemType(409, "too_many_tickets"),
    errors.TicketMisplacedError: ProblemType(400, "ticket_misplaced"),
    errors.TicketNotAllowedError: ProblemType(403, "ticket_not_allowed"),
    errors.RefusedTooOftenError: ProblemType(429, "refresh_budget_spent"),
    errors.TooManyPendingConsentsError: ProblemType(429, "too_many_pending_consents"),
    errors.CheckedTooOftenError: problems.RATE_LIMITED,
    errors.StorageUnavailableError: ProblemType(503, "audit_unavailable", retry_after=2.0),
}
