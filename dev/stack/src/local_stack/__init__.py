"""The whole stack on loopback: PostgreSQL, Valkey, authorization server, services, gateway; no containers, no root."""
