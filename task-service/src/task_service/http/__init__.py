"""The HTTP edge: parses requests, calls use cases, turns errors into problems."""
