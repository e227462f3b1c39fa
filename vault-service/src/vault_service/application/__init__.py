"""The vault's use cases, over ports. This package imports no Flask, psycopg, requests, redis or service_kit."""
