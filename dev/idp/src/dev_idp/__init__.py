"""Keycloak-shaped authorization server for development and tests; never for production."""
