"""Lines of a pod's log, each once, however often the log is asked for."""

import re

from task_service.application.errors import LostError

STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d) ")
"""What `timestamps=true` puts before a line; with nine digits, so that stamps can be compared as text."""


class SeenLines:
    """Remembers the time of the last line, and how many lines had that time."""

    def __init__(self) -> None:
        self._last = b""
        self._count = self._again = 0
        self._resumes = False

    def query(self) -> dict[str, str]:
        """Parameters that ask for the lines from the last one on, which has to be counted again."""
        self._again = 0
        self._resumes = bool(self._last)
        found = STAMP.match(self._last)
        since = {"sinceTime": b"".join(found.groups()).decode()} if found else {}
        return {"timestamps": "true", **since}

    def new(self, line: bytes) -> bytes | None:
        """The text of a line that was not seen before.

        Raises LostError when lines between were rotated away: an event may have been among them.
        """
        found = STAMP.match(line)
        if found is None:  # the rest of a line that is longer than any event
            return line
        stamp, text = found[0], line[found.end() :]
        if self._resumes and stamp > self._last:
            raise LostError("Kubernetes has rotated the log of this attempt away.")
        self._resumes = False
        if stamp < self._last:
            return None
        if stamp > self._last:
            self._last, self._count, self._again = stamp, 1, 1
            return text
        self._again += 1
        if self._again <= self._count:
            return None
        self._count = self._again
        return text
