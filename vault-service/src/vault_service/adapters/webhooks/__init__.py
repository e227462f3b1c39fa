"""Webhooks: the outbox of messages, and the sender."""
