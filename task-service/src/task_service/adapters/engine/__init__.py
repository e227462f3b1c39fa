"""The engine, Procrastinate: jobs in the same PostgreSQL as tasks and runs."""
