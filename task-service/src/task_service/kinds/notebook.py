"""A Jupyter notebook from the operator's folders, with the task's parameters; the executed notebook is the result.

Needs the extra `notebook` where it runs. The kernel has the ticket in `TOKEN_VAULT_TICKET` and the vault's URL
in `TOKEN_VAULT_URL`, and ends with the program that runs the notebook.
"""

import json
import keyword
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec

from task_service.kinds.base import (
    Document,
    HandlerContext,
    HandlerError,
    Kind,
    Level,
    Parameters,
    ParametersError,
)

MEDIA_TYPE = "application/x-ipynb+json"
MISSING = "Notebooks cannot run here: pip install 'task-service[notebook]'."
START_SECONDS = 60
LISTED = 200
"""So many notebooks are listed in the schema; more can be run."""
_KERNEL = (
    "import ctypes, signal, sys; "
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL) if sys.platform == 'linux' else None; "  # ends with its parent
    "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NotebookParameters(Parameters, frozen=True, kw_only=True):
    """A notebook to run. notebook: its path below the operator's folders; parameters: by name, for the notebook."""

    notebook: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class Notebook(Kind[NotebookParameters]):
    """Runs a Jupyter notebook with your parameters, and keeps the executed notebook."""

    Parameters = NotebookParameters

    @property
    def enabled(self) -> bool:
        """There is a folder of notebooks."""
        return bool(self.tools.settings.notebooks)

    def choices(self) -> dict[str, list[str]]:
        """The notebooks, where they can be seen and are not too many."""
        found = sorted(
            {
                str(path.relative_to(folder))
                for folder in self._folders()
                for path in folder.rglob("*.ipynb")
                if ".ipynb_checkpoints" not in path.parts
            }
        )
        return {"notebook": found} if 0 < len(found) <= LISTED else {}

    def check(self, parameters: NotebookParameters) -> None:
        """The notebook must be there, where its folder can be seen; parameters must be names in Python."""
        if self._folders() and self._path(parameters.notebook) is None:
            raise ParametersError("/notebook", "is not a notebook that can be run here")
        for name in parameters.parameters:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ParametersError("/parameters", f"has {name!r}, which is not a name in Python")

    def run(self, parameters: NotebookParameters, context: HandlerContext) -> Document:
        """Execute cell after cell; the first error fails the task."""
        notebook = self._read(parameters.notebook)
        _set(notebook, parameters.parameters)
        ticket = context.open_access().value
        count = _execute(notebook, _kernel(self.tools.vault_url, ticket), context)
        content = json.dumps(notebook, ensure_ascii=False, indent=1).replace(ticket, "tvt_***").encode()
        return Document(content, MEDIA_TYPE, Path(parameters.notebook).name, f"The notebook has run: {count} cells.")

    def _read(self, name: str) -> Any:
        try:
            import nbformat  # noqa: PLC0415 - an extra
        except ImportError:
            raise HandlerError(MISSING) from None
        path = self._path(name)
        if path is None:
            raise HandlerError(f"The notebook '{name}' is not there where this task runs.")
        library: Any = nbformat
        try:
            return library.read(path, as_version=4)
        except Exception:  # noqa: BLE001 - whatever its parsers raise
            raise HandlerError(f"The notebook '{name}' cannot be read.") from None

    def _folders(self) -> list[Path]:
        return [folder for folder in map(Path, self.tools.settings.notebooks) if folder.is_dir()]

    def _path(self, name: str) -> Path | None:
        """The file of that name below a folder. Neither `..` nor a symbolic link leads out of it."""
        if "\x00" in name or not name.endswith(".ipynb"):
            return None
        for folder in self._folders():
            path = (folder / name).resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path
        return None


def _kernel(vault_url: str, ticket: str) -> Any:
    """A Python kernel with the ticket in its environment."""
    from jupyter_client.kernelspec import KernelSpec  # noqa: PLC0415 - an extra
    from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415 - an extra

    class TicketKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-I", "-c", _KERNEL, "-f", "{connection_file}"],
                env={"TOKEN_VAULT_URL": vault_url, "TOKEN_VAULT_TICKET": ticket, "IPYTHONDIR": os.environ["HOME"]},
                language="python",
                display_name="Python",
            )

    return TicketKernel()


def _execute(notebook: Any, kernel: Any, context: HandlerContext) -> int:
    """Execute the cells in place; how many. Raises HandlerError."""
    from nbclient import NotebookClient  # noqa: PLC0415 - an extra
    from nbclient.exceptions import CellExecutionError, DeadKernelError  # noqa: PLC0415 - an extra

    client = NotebookClient(notebook, timeout=None, startup_timeout=START_SECONDS, km=kernel, coalesce_streams=True)
    cells = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    try:
        with client.setup_kernel():
            for done, (index, cell) in enumerate(cells, 1):
                context.wait(0)
                client.execute_cell(cell, index)
                context.progress(100 * done // len(cells))
    except CellExecutionError as error:
        context.log(_COLOURS.sub("", error.traceback), Level.ERROR)
        raise HandlerError(f"A cell of the notebook has failed with {error.ename}: {error.evalue}"[:1000]) from None
    except DeadKernelError:
        raise HandlerError("The kernel of the notebook has died.") from None
    return len(cells)


def _set(notebook: Any, parameters: dict[str, Any]) -> None:
    """Add a cell that sets the parameters: after the one that is tagged `parameters` (as papermill does), or first."""
    from nbformat.v4 import new_code_cell  # noqa: PLC0415 - an extra

    if not parameters:
        return
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    made: Any = new_code_cell
    cell = made(source=f"# Parameters\n{source}", metadata={"tags": ["injected-parameters"]})
    tagged = [
        index for index, each in enumerate(notebook.cells) if "parameters" in each.get("metadata", {}).get("tags", [])
    ]
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)
