"""Kinds of work: plug-ins of the entry point group `task_service.handlers`, named by the kind."""
