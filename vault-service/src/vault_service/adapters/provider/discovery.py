"""A provider's discovery document, fetched on first use. A failure is logged once and not retried at once."""

import threading
from collections.abc import Callable
from time import monotonic

from service_kit.process import logs
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError, Metadata

RETRY_AFTER_FAILURE = 2.0

log = logs.get(__name__)


class Discovery:
    """`Issuer.metadata` for one provider. A failure is remembered for two seconds, so that callers do not queue for
    time-outs.
    """

    def __init__(self, name: str, issuer: Issuer, clock: Callable[[], float] = monotonic) -> None:
        """name: of the provider, for the log."""
        self._name = name
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._failure: IssuerUnavailableError | IssuerMismatchError | None = None
        self._failed_at = float("-inf")

    def metadata(self) -> Metadata:
        """The discovery document. Raises IssuerUnavailableError, IssuerMismatchError."""
        with self._lock:
            if self._failure is not None and self._clock() - self._failed_at < RETRY_AFTER_FAILURE:
                raise type(self._failure)(*self._failure.args)
        try:
            metadata = self._issuer.metadata()
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            self._note(error)
            raise
        self._note(None)
        return metadata

    def _note(self, failure: IssuerUnavailableError | IssuerMismatchError | None) -> None:
        with self._lock:
            is_news = type(failure) is not type(self._failure)
            self._failure, self._failed_at = failure, self._clock()
        if is_news and isinstance(failure, IssuerMismatchError):
            log.error("provider.refused", provider=self._name, reason=str(failure))
        elif is_news and failure is not None:
            log.warning("provider.unavailable", provider=self._name, reason=str(failure))
