"""A process: its settings, secrets, logs, metrics and start."""
