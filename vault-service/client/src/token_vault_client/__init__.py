"""Typed client of the token vault, for services, notebooks and batch jobs."""

__version__ = "0.1.0"
