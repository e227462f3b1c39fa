"""Offline grants in PostgreSQL: their rows, their uses, and what waits to be stored or revoked."""
