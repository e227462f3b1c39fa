"""What a task can do: plug-ins of the entry point group `task_service.handlers`."""
