"""The token vault over its client library."""
