"""Task service: stores tasks and runs them with access tokens that the vault gives."""

__version__ = "0.1.0"
