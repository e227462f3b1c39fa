"""Keycloak's addresses: what people see, and what programs call."""

OIDC = "/protocol/openid-connect"
