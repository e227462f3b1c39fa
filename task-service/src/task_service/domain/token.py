"""The offline token that a task is linked to, as far as tasks know it."""

import enum


class TokenStatus(enum.StrEnum):
    """The vault's last word on the linked token: consent is pending, it can be used, or it cannot."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
