"""Options of a consent from a request's body, for a person and for a service.

All problems are 422 `invalid_input` at a member.
"""

from msgspec import UNSET

from service_kit.http.inputs import invalid
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.consent import ConsentOptions
from vault_service.domain.grant import Limits, Subject
from vault_service.domain.return_address import fault_of, is_listed
from vault_service.http.schemas import NewConsent
from vault_service.http.vault import Vault


def own_options(vault: Vault, claims: Claims, wanted: NewConsent) -> ConsentOptions:
    """The options of a person who requests a consent of their own. Problem: 403 `forbidden` for a service."""
    owner = vault.policy.person(claims)
    for pointer, value in (("/subject", wanted.subject), ("/returnTo", wanted.return_to)):
        if value is not UNSET:
            raise invalid(pointer, "only a service that asks for consent names it")
    services = vault.default_services if wanted.services is UNSET else frozenset(wanted.services)
    return _options(vault, claims, wanted, owner, services)


def question_options(vault: Vault, claims: Claims, wanted: NewConsent) -> ConsentOptions:
    """The options of a service that asks a person: it names the person, itself only, and where the browser returns."""
    if wanted.subject is UNSET:
        raise invalid("/subject", "is required of a service: whom it asks")
    if wanted.name is UNSET:
        raise invalid("/name", "is required of a service: what it asks for")
    if wanted.return_to is UNSET:
        raise invalid("/returnTo", "is required of a service")
    if wanted.services is not UNSET and set(wanted.services) != {claims.client}:
        raise invalid("/services", "a service asks for itself only")
    owner = Subject(claims.issuer, wanted.subject)
    return_to = _return_to(vault, claims.client, wanted.return_to)
    return _options(vault, claims, wanted, owner, frozenset({claims.client}), return_to)


def _return_to(vault: Vault, client: str, address: str) -> str:
    fault = fault_of(address)
    if fault is not None:
        raise invalid("/returnTo", fault)
    settings = vault.services.get(client)
    if settings is None or not is_listed(address, settings.return_to):
        raise invalid("/returnTo", "is not among the addresses that are listed for this service")
    return address


def _options(
    vault: Vault,
    claims: Claims,
    wanted: NewConsent,
    owner: Subject,
    services: frozenset[str],
    return_to: str | None = None,
) -> ConsentOptions:
    if wanted.not_after is not UNSET and wanted.not_after <= vault.now():
        raise invalid("/notAfter", "is in the past")
    provider = vault.default_provider if wanted.provider is UNSET else wanted.provider
    if provider not in vault.providers:
        raise invalid("/provider", "is not a provider of this vault")
    allowed = vault.providers[provider].token_types
    if wanted.token_type not in allowed:
        raise invalid("/tokenType", f"must be {' or '.join(sorted(allowed))} with this provider")
    return ConsentOptions(
        owner=owner,
        client=claims.client,
        request_id=logs.request_id.get() or "",
        browser_bound=claims.client in vault.policy.browser_clients,
        provider=provider,
        token_type=wanted.token_type,
        task_ids=_task_ids(wanted),
        name=None if wanted.name is UNSET else wanted.name,
        asked_by=None if return_to is None else claims.client,
        return_to=return_to,
        scopes=frozenset(wanted.scopes),
        limits=Limits(
            services=services,
            not_after=vault.default_limits.end(vault.now()) if wanted.not_after is UNSET else wanted.not_after,
            max_uses=vault.default_limits.uses if wanted.max_uses is UNSET else wanted.max_uses,
        ),
    )


def _task_ids(wanted: NewConsent) -> tuple[str, ...]:
    """The tasks of the consent: `taskId`, or each of `taskIds` once."""
    if wanted.task_ids is UNSET:
        return () if wanted.task_id is UNSET else (wanted.task_id,)
    if wanted.task_id is not UNSET:
        raise invalid("/taskIds", "give either taskId or taskIds")
    for position, task_id in enumerate(wanted.task_ids):
        if task_id in wanted.task_ids[:position]:
            raise invalid(f"/taskIds/{position}", "is given twice")
    return wanted.task_ids
