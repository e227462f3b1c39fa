"""Tasks, runs and attempts in PostgreSQL."""
