"""The services file of a stack: task service and JupyterHub may ask people for consent; browsers return to the page."""

from pathlib import Path

from local_stack.options import write_private

FILE = "services.toml"
_CONTENT = """\
[services.task-service]
name = "Task Manager"
return_to = ["{gateway}/tasks"]

[services.jupyterhub]
name = "JupyterHub"
return_to = ["{gateway}/tasks"]
"""


def write(folder: Path, gateway: str) -> Path:
    """Write the file into a stack's folder."""
    path = folder / FILE
    write_private(path, _CONTENT.format(gateway=gateway))
    return path
