"""Numbered SQL files, applied in order by `task-service migrate`."""
