"""What both services must never do differently: bearer verification, problems, logging, settings, health."""

__version__ = "0.1.0"
