"""Numbered SQL files, applied in order by `vault-service migrate`."""
