"""The ports of `application.ports` on real parts: PostgreSQL, Procrastinate, the vault, the authorization server."""
