"""What the vault does: use cases over ports. Knows no Flask, psycopg, requests, redis or service_kit."""
