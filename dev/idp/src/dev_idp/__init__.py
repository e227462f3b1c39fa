"""Keycloak-shaped authorization server for development and tests; never for production."""

__version__ = "0.1.0"
