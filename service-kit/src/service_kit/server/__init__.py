"""gunicorn and uvicorn, as every service runs them."""
