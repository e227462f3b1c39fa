"""Retries of failed attempts: exponentially later, spread at random, a limited number of times."""

from dataclasses import dataclass

MAX_ATTEMPTS = 20
MAX_BACKOFF_SECONDS = 86_400.0
DEFAULT_BACKOFF_SECONDS = 10.0
DEFAULT_MAX_BACKOFF_SECONDS = 600.0
_MAX_DOUBLINGS = 40


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """max_attempts: of one run, the first included; backoff, max_backoff: seconds before the second and any attempt."""

    max_attempts: int = 1
    backoff: float = DEFAULT_BACKOFF_SECONDS
    max_backoff: float = DEFAULT_MAX_BACKOFF_SECONDS

    def allows_another(self, failures: int) -> bool:
        """True when a run may be attempted again after so many failed attempts."""
        return failures < self.max_attempts

    def delay(self, failures: int, spread: float, at_least: float = 0.0) -> float:
        """Seconds until the next attempt.

        failures: attempts that have failed, 1 or more; spread: at random from 0 to 1, which keeps runs that failed
        together from coming back together; at_least: seconds that the failing party asked for, in vain beyond
        MAX_BACKOFF_SECONDS.
        """
        doubled = self.backoff * 2.0 ** min(failures - 1, _MAX_DOUBLINGS)
        spread_out = min(doubled, self.max_backoff) * (0.5 + spread / 2)
        return max(spread_out, min(at_least, MAX_BACKOFF_SECONDS))


NO_RETRY = RetryPolicy()
"""The default: a run fails with its first failed attempt."""
