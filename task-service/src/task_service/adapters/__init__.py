"""The ports of `application.ports` on real parts, in a room for each: PostgreSQL, the engine, the vault, userinfo."""
