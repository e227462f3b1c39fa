"""The endpoints at Keycloak's paths: pages for people, and an API for programs."""

OIDC = "/protocol/openid-connect"
