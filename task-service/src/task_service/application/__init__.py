"""The use cases, over ports. They import no Flask, psycopg, procrastinate, requests or service_kit."""
