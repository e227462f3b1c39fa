"""Results that are files: stored with their run, read by its owner, removed after it."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.results import PostgresResultFiles
from task_service.adapters.results.stores import FolderStore, store_at
from task_service.application.access import AttemptAccess
from task_service.application.errors import ResultNotFoundError, ResultStoreUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import HandlerContext
from task_service.application.manage import ManageTasks, Person
from task_service.application.ports.attempts import ResultStore
from task_service.application.progress import GroupedProgress
from task_service.application.results import CleanResults, ReadResults, StoreResults
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import AttemptKey
from task_service.domain.result import MAX_TEXT_BYTES, Document, ResultFile
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]


class Gives:
    """A handler with a given result."""

    def __init__(self, result: str | Document) -> None:
        self.result = result

    def run(self, context: HandlerContext) -> str | Document:
        """The run."""
        return self.result


Run = Callable[[str | Document], UUID]


@pytest.fixture
def ran(
    *,
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    attempts: PostgresAttempts,
    files: PostgresResultFiles,
    results: FolderStore,
) -> Run:
    """Runs a task with that result."""

    def run(result: str | Document, store: ResultStore | None = results) -> UUID:
        task = manage.create(alice, "a", "")
        execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
        execution.execute(alice, task.id)
        kept = StoreResults(attempts, files if store else None, store)
        work = RunAttempt(
            attempts, GroupedProgress(attempts), MemoryJournal(), AttemptAccess(vault), {"demo": Gives(result)}, kept
        )
        work.run(AttemptKey(task.id, 1), lambda: None)
        return task.id

    return run


def test_a_text_of_64_kib_stays_in_the_row_and_a_longer_one_becomes_a_file(
    ran: Run, manage: ManageTasks, alice: Person, bob: Person, files: PostgresResultFiles, results: FolderStore
) -> None:
    """Nothing is cut short; another person sees no file."""
    read = ReadResults(files, results)
    short, long = ran("x" * MAX_TEXT_BYTES), ran("ä" * (MAX_TEXT_BYTES // 2) + "x")
    assert manage.find(alice, short).latest_run.result == "x" * MAX_TEXT_BYTES
    assert read.find(alice, short, 1) is None
    assert manage.find(alice, long).latest_run.result == "The result is a file: result.txt, 65537 bytes."
    file, content = read.read(alice, long, 1)
    assert (file.media_type, file.name, file.size) == ("text/plain; charset=utf-8", "result.txt", 65537)
    assert content.decode() == "ä" * (MAX_TEXT_BYTES // 2) + "x"
    for person, task, run in ((bob, long, 1), (alice, long, 2), (alice, short, 1), (alice, uuid4(), 1)):
        with pytest.raises(ResultNotFoundError):
            read.read(person, task, run)


def test_files_are_removed_after_their_runs(
    ran: Run,
    manage: ManageTasks,
    alice: Person,
    files: PostgresResultFiles,
    results: FolderStore,
    look: Look,
    tmp_path: Path,
) -> None:
    """Not before an hour has passed since they were announced: one that is being stored has no run yet."""
    kept, gone = ran(Document(b"k", "a/b", "k")), ran(Document(b"g", "a/b", "g"))
    manage.delete(alice, gone)
    clean = CleanResults(files, results)
    clean.clean()
    assert len(list(tmp_path.iterdir())) == 2
    look("update result_files set created_at = created_at - interval '2 hours' returning key")
    clean.clean()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"k"]
    assert look("select task_id from result_files") == [(kept,)]


def test_without_a_store_a_result_that_does_not_fit_fails_the_run_and_says_so(
    ran: Callable[..., UUID], manage: ManageTasks, alice: Person
) -> None:
    """So does a store that does not answer."""
    task = manage.find(alice, ran(Document(b"12345", "a/b", "n"), None))
    assert task.status is TaskStatus.FAILED
    assert task.latest_run.error == "The result is a file of 5 bytes, and this installation has no result store."
    task = manage.find(alice, ran(Document(b"12345", "a/b", "n"), FolderStore(Path("/nowhere"))))
    assert task.latest_run.error == "The result store cannot be reached now."


def test_an_attempt_that_was_taken_over_leaves_no_result(
    ran: Run, attempts: PostgresAttempts, files: PostgresResultFiles, look: Look
) -> None:
    """The attempt's file belongs to no run, and the cleaning removes it."""
    task = ran("done")
    (attempt,) = [attempts.begin(AttemptKey(task, 1))]
    assert attempt is None
    file: ResultFile = files.announce(Document(b"x", "a/b", "n"))
    assert look("select task_id from result_files where key = %s", file.key) == [(None,)]


@pytest.mark.parametrize("kind", ["folder", "memory", "file"])
def test_every_store_keeps_gives_and_removes(kind: str, tmp_path: Path) -> None:
    """The same for a folder and for file systems of fsspec's."""
    if kind != "folder":
        pytest.importorskip("fsspec", reason="the extra `results` is not installed")
    places = {"folder": str(tmp_path), "memory": f"memory://{uuid4()}", "file": f"file://{tmp_path}"}
    store: ResultStore = store_at(places[kind])
    key, content = uuid4(), bytes(range(256)) * 300
    store.put(key, content)
    assert store.get(key) == content
    store.remove(key)
    store.remove(key)
    with pytest.raises(ResultStoreUnavailableError):
        store.get(key)


def test_a_folder_s_files_are_private_and_whole(tmp_path: Path) -> None:
    """Other users of the machine cannot read results."""
    store = store_at(str(tmp_path))
    store.put(uuid4(), b"x")
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("place", ["/no/such/folder", "quantum://bucket/x"])
def test_a_store_that_cannot_be_used_is_refused_at_start(place: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=r"not a folder|cannot be used|needs the extra"):
        store_at(place)
