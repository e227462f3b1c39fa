"""The ports of `application.ports` on real parts: PostgreSQL, Redis, the authorization server, AES-GCM."""
