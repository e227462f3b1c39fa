"""Token vault: keeps offline tokens encrypted and gives services fresh access tokens."""

from importlib.metadata import version

__version__ = version("vault-service")
