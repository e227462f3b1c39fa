"""Structured logs: one JSON object a line on stderr, with a static event name and fields.

The request id travels in a context variable, so every line of a request has it. Secrets are types that print as `***`
(`service_kit.process.secret`). Nothing here logs a query string, a header, a body, or the local variables of a
traceback, because they may contain tokens.
"""

import logging
import os
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

LEVELS = ("debug", "info", "warning", "error")

_encoder = msgspec.json.Encoder(enc_hook=str)


def configure(service: str, level: str = "info") -> None:
    """Send structlog's and the standard library's records to stderr as JSON lines. Call once, in an entry point."""
    complete = _completed_by(service)
    structlog.configure(
        processors=[complete, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[complete],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render_text],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a module; `get(__name__).info("grant.refreshed", grant=…)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)
    return logger


class _Lines:
    """Writes each line with one system call and no lock, so that threads do not wait for each other.

    The kernel does not mix such writes, in a file that is appended to and in a pipe (up to 4 KiB).
    """

    def __init__(self, *_names: str) -> None:
        self._stderr = sys.stderr.fileno()

    def msg(self, line: bytes) -> None:
        """Write a line. It is lost if the reader has closed the pipe."""
        rest = line + b"\n"
        while rest:
            try:
                rest = rest[os.write(self._stderr, rest) :]
            except OSError:
                return

    debug = info = warning = error = critical = exception = msg


def _completed_by(service: str) -> structlog.typing.Processor:
    """One processor for the fields of every line, because several processors cost more time."""
    render_exception = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )

    def complete(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["level"] = "error" if method == "exception" else method
        event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
        event["service"] = service
        current = request_id.get()
        if current is not None:
            event.setdefault("requestId", current)
        return render_exception(logger, method, event) if "exc_info" in event else event

    return complete


def _render(event: structlog.typing.EventDict) -> bytes:
    try:
        return _encoder.encode(event)
    except (UnicodeError, msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        # For example a lone surrogate: logging must never break the request.
        return _encoder.encode({name: ascii(value) for name, value in event.items()})


def _rendered(_logger: Any, _method: str, event: structlog.typing.EventDict) -> bytes:
    return _render(event)


def _render_text(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    return _render(event).decode()
