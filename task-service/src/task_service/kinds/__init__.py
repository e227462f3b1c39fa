"""Kinds of work: plug-ins of the entry point group `task_service.kinds`, named by the kind."""
