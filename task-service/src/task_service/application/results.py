"""Results: short texts stay in the run's row, documents and longer texts become files in the result store."""

from uuid import UUID

from task_service.application.errors import HandlerError, ResultNotFoundError, ResultStoreUnavailableError
from task_service.application.manage import Person
from task_service.application.ports.attempts import AttemptStore, ResultFileStore, ResultStore
from task_service.domain.attempt import Attempt
from task_service.domain.journal import storable
from task_service.domain.result import MAX_TEXT_BYTES, Document, ResultFile

UNATTACHED_SECONDS = 3600.0
"""After so long a file without a run is removed: it belongs to none any more."""
AT_MOST = 100


class StoreResults:
    """Completes attempts with their results."""

    def __init__(self, attempts: AttemptStore, files: ResultFileStore | None, store: ResultStore | None) -> None:
        """files, store: None where no result store is configured."""
        self._attempts = attempts
        self._files = files
        self._store = store

    def complete(self, attempt: Attempt, result: str | Document) -> bool:
        """End the attempt with a result; False when it was taken over.

        The file is announced, stored, and then attached to the run by the statement that completes it, so that neither
        is without the other. Raises HandlerError when there is no store for it, or it does not answer.
        """
        document = document_of(result)
        if document is None:
            return self._attempts.complete(attempt, storable(str(result)))
        file = self._stored(document)
        words = document.summary or f"The result is a file: {file.name}, {file.size} bytes."
        return self._attempts.complete(attempt, storable(words), file)

    def _stored(self, document: Document) -> ResultFile:
        if self._files is None or self._store is None:
            size = len(document.content)
            raise HandlerError(f"The result is a file of {size} bytes, and this installation has no result store.")
        file = self._files.announce(document)
        try:
            self._store.put(file.key, document.content)
        except ResultStoreUnavailableError as error:
            raise HandlerError(str(error), can_pass=True) from error
        return file


class ReadResults:
    """Lets owners read the results of their runs."""

    def __init__(self, files: ResultFileStore, store: ResultStore | None) -> None:
        self._files = files
        self._store = store

    def find(self, person: Person, task_id: UUID, number: int) -> ResultFile | None:
        """The description of the file of one of the person's runs."""
        return self._files.find(task_id, person.owner, number)

    def read(self, person: Person, task_id: UUID, number: int) -> tuple[ResultFile, bytes]:
        """The file of one of the person's runs. Raises ResultNotFoundError, ResultStoreUnavailableError."""
        file = self.find(person, task_id, number)
        if file is None:
            raise ResultNotFoundError
        if self._store is None:
            raise ResultStoreUnavailableError
        return file, self._store.get(file.key)


class CleanResults:
    """Removes files that belong to no run."""

    def __init__(self, files: ResultFileStore, store: ResultStore) -> None:
        self._files = files
        self._store = store

    def clean(self) -> None:
        """Remove up to AT_MOST. Raises ResultStoreUnavailableError, after which they are tried again."""
        for key in self._files.without_run(UNATTACHED_SECONDS, AT_MOST):
            self._store.remove(key)
            self._files.forget(key)


def document_of(result: str | Document) -> Document | None:
    """The result as a file; None for a text that fits into its run's row."""
    if isinstance(result, Document):
        return result
    content = storable(result).encode()
    if len(content) <= MAX_TEXT_BYTES:
        return None
    return Document(content, "text/plain; charset=utf-8", "result.txt")
