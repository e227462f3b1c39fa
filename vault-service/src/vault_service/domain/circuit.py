"""The state of a circuit breaker before one server, with the time passed in.

A refusal of one grant says nothing about the server. A server is paused when it cannot be reached, when it refuses the
vault's own client, when `WITNESSES` different grants are told to try later, or after `UNCERTAIN_IN_A_ROW` uncertain
outcomes of as many grants. After a pause one caller probes, and the others wait for its outcome. Times are in seconds
by a monotonic clock.
"""

from collections.abc import Hashable

UNCERTAIN_IN_A_ROW = 3
WITNESSES = 2
PAUSE_SECONDS = 5.0
PROBE_SECONDS = 1.0


class Circuit:
    """The state for one server. Not thread-safe."""

    def __init__(self) -> None:
        self._paused_until = float("-inf")
        self._is_in_trouble = False
        self._is_probing = False
        self._uncertain = 0
        self._witnesses: set[Hashable] = set()

    def paused_for(self, now: float) -> float:
        """Seconds for which the server is left alone; a second while another caller probes; 0 when it may be called."""
        left = self._paused_until - now
        if left > 0:
            return left
        return PROBE_SECONDS if self._is_in_trouble and self._is_probing else 0.0

    def begin(self) -> None:
        """A call begins, which `paused_for` has allowed. It is the probe when the server was in trouble."""
        self._is_probing = self._is_in_trouble

    def ignore(self) -> None:
        """The call has ended, and its outcome says nothing about the server."""
        self._is_probing = False

    def succeeded(self) -> None:
        """The server has answered, though it may have refused what was requested."""
        self._is_probing = False
        self._is_in_trouble = False
        self._forget()

    def refused(self, now: float, seconds: float) -> float:
        """The server cannot be reached or refuses the client, whatever the grant; for how many seconds to pause."""
        self._is_probing = False
        self._forget()
        return self._pause(now, seconds)

    def busy(self, now: float, grant: Hashable, seconds: float) -> float:
        """The server told this grant to come later; for how many seconds to leave the server alone, or 0."""
        self._is_probing = False
        self._witness(grant)
        return self._pause(now, seconds) if len(self._witnesses) >= WITNESSES else 0.0

    def uncertain(self, now: float, grant: Hashable) -> float:
        """The server may or may not have handled the call. Returns the seconds for which it is left alone, or 0."""
        self._is_probing = False
        self._uncertain += 1
        self._witness(grant)
        if len(self._witnesses) >= WITNESSES and (self._is_in_trouble or self._uncertain >= UNCERTAIN_IN_A_ROW):
            return self._pause(now, PAUSE_SECONDS)
        return 0.0

    def _witness(self, grant: Hashable) -> None:
        if len(self._witnesses) < WITNESSES:
            self._witnesses.add(grant)

    def _forget(self) -> None:
        self._uncertain = 0
        self._witnesses.clear()

    def _pause(self, now: float, seconds: float) -> float:
        self._is_in_trouble = True
        self._paused_until = now + seconds
        return seconds
