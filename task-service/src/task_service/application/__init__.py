"""What the task service does, in use cases over ports: no Flask, psycopg, procrastinate, requests, service_kit."""
