"""Cached access tokens, in the process and in Redis."""
