"""A service, as the operator has described it: what people and the vault may know of it."""

from dataclasses import dataclass

from vault_service.domain.webhook import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownService:
    """One service. name: for people; return_to: where browsers may go after a consent that it asked for; webhook: where
    it is told what happens to its grants.
    """

    name: str
    return_to: tuple[str, ...] = ()
    webhook: Webhook | None = None
