"""Token vault: keeps offline tokens encrypted and gives services fresh access tokens."""

__version__ = "0.1.0"
