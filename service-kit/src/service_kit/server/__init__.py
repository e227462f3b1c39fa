"""gunicorn, as every service runs it."""
