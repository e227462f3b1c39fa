"""Offline grants in PostgreSQL: consents, refreshes, uses, the owner's view, and the outbox of revocations."""
