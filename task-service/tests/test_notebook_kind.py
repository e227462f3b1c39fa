"""The kind `notebook`, in a program of its own with a real kernel."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elsewhere_parts import PROGRAM, Elsewhere, ended, http_vault
from scripted_vault import Userinfo

from task_service.application.handler import Stop
from task_service.domain.result import Document
from task_service.executors import sandbox
from task_service.executors.order import Sandbox
from task_service.executors.process import ProcessExecutor
from task_service.kinds.base import KindSettings, ParametersError, Tools
from task_service.kinds.notebook import Notebook
from task_service.kinds.registry import parsed

pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
import nbformat

pytestmark = pytest.mark.process


def write(folder: Path, *cells: str, name: str = "report.ipynb", tag: int | None = None) -> None:
    """A notebook of these cells. tag: which one is tagged `parameters`."""
    made = [nbformat.v4.new_code_cell(source=cell, id=f"cell-{number}") for number, cell in enumerate(cells)]
    if tag is not None:
        made[tag].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The operator's notebooks."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    return folder


@pytest.fixture
def elsewhere(folder: Path) -> Iterator[Elsewhere]:
    """Runs notebooks, in the sandbox where there is one."""
    with http_vault() as vault:
        closed = Sandbox(readable=(str(Path(__file__).parent), str(folder))) if sandbox.version() else None
        yield Elsewhere(ProcessExecutor(PROGRAM), vault, closed, settings=KindSettings(notebooks=(str(folder),)))


def document(elsewhere: Elsewhere) -> Any:
    """The executed notebook."""
    kept = elsewhere.memory.documents[-1]
    assert isinstance(kept, Document)
    assert kept.media_type == "application/x-ipynb+json"
    return nbformat.reads(kept.content.decode(), as_version=4)


def test_a_notebook_runs_with_its_parameters_and_tokens_and_is_kept(folder: Path, elsewhere: Elsewhere) -> None:
    """The kernel gets tokens by the ticket, which the kept notebook does not have."""
    token = (
        "import os; from token_vault_client import TicketCredentials, TokenVaultClient\n"
        "ticket = os.environ['TOKEN_VAULT_TICKET']; print(ticket)\n"
        "print(TokenVaultClient(os.environ['TOKEN_VAULT_URL'], TicketCredentials(ticket)).access_token().value)"
    )
    write(folder, "month = 1", "print(month, flag, words)", token, tag=0)
    given = {"month": 7, "flag": None, "words": ["a'b"]}
    assert elsewhere.run("", kind="notebook", notebook="report.ipynb", parameters=given) == "completed"
    made = document(elsewhere)
    assert made.cells[1].metadata.tags == ["injected-parameters"]
    outputs = "".join(output.text for cell in made.cells for output in cell.outputs)
    assert '7 None ["a\'b"]' in outputs
    assert "access-1" in outputs
    assert "tvt_***" in outputs
    assert elsewhere.memory.ended == [("completed", "The notebook has run: 4 cells.")]


def test_a_failing_cell_fails_the_run_with_its_error(folder: Path, elsewhere: Elsewhere) -> None:
    """The log has the traceback."""
    write(folder, "1 / 0")
    assert elsewhere.run("", kind="notebook", notebook="report.ipynb") == "failed"
    assert elsewhere.result == "A cell of the notebook has failed with ZeroDivisionError: division by zero"
    assert any("1 / 0" in line for line in elsewhere.log)


def test_a_cancelled_notebook_ends_with_its_kernel(folder: Path, elsewhere: Elsewhere, tmp_path: Path) -> None:
    """And with what the kernel has started."""
    elsewhere.sandbox = None
    note = tmp_path / "note"
    write(
        folder,
        f"import os, subprocess, time; child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(600)",
    )
    began: list[float] = []

    def stop() -> Stop | None:
        if not began and note.exists() and note.read_text():
            began.append(time.monotonic())
        return Stop.CANCELLED if began else None

    assert elsewhere.run("", stop, kind="notebook", notebook="report.ipynb") == "stopped"
    assert time.monotonic() - began[0] < 2.5
    for each in note.read_text().split():
        ended(int(each))


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"notebook": "../secret.ipynb"}, "/notebook"),
        ({"notebook": "link.ipynb"}, "/notebook"),
        ({"notebook": "/etc/passwd"}, "/notebook"),
        ({"notebook": "nothing.ipynb"}, "/notebook"),
        ({"notebook": "text.txt"}, "/notebook"),
        ({"notebook": "report.ipynb", "parameters": {"a b": 1}}, "/parameters"),
        ({"notebook": "report.ipynb", "parameters": {"class": 1}}, "/parameters"),
        ({"notebook": "report.ipynb", "parameters": {"a\nimport os": 1}}, "/parameters"),
    ],
)
def test_only_notebooks_of_the_folders_run(folder: Path, parameters: dict[str, Any], pointer: str) -> None:
    """Neither `..` nor a link leads out; names of parameters cannot carry code."""
    write(folder, "1")
    write(folder.parent, "1", name="secret.ipynb")
    (folder / "text.txt").write_text("x")
    (folder / "link.ipynb").symlink_to(folder.parent / "secret.ipynb")
    kind = Notebook(Tools(userinfo=Userinfo(), settings=KindSettings(notebooks=(str(folder),))))
    assert parsed(kind, {"notebook": "report.ipynb"}).notebook == "report.ipynb"
    with pytest.raises(ParametersError) as refused:
        parsed(kind, parameters)
    assert refused.value.pointer == pointer


def test_a_file_that_is_no_notebook_fails_the_run(folder: Path, elsewhere: Elsewhere) -> None:
    """With its name."""
    (folder / "broken.ipynb").write_text("{")
    assert elsewhere.run("", kind="notebook", notebook="broken.ipynb") == "failed"
    assert elsewhere.result == "The notebook 'broken.ipynb' cannot be read."
