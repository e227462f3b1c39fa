"""Task service: stores tasks and runs them with access tokens that the vault gives."""

from importlib.metadata import version

__version__ = version("task-service")
