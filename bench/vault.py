"""The vault's figures P1 to P4, measured in turns, so that a busy moment affects all of them.

P1: a cached access token compared with a bare Flask route on the same gunicorn, at full speed. P2: a cached access
token compared with a refresh at the authorization server each time. P3: what the vault adds to a refresh: to the
latency of a lone caller, and to the throughput of several. P4: latency in an open loop, at half of the maximum rate.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import callers, client, processor
from bench.load import Tool
from bench.outcome import BenchError, Outcome
from bench.rig import SCOPES, Rig

OPEN_CONNECTIONS = 64
"""For cached tokens in an open loop: enough for arrivals to spread over gunicorn's processes."""
WARM_UP_SECONDS = 1.0
JAVA_WARM_UP_SECONDS = 15.0
"""A Java server is compiled while it runs."""

Round = dict[str, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """seconds: of one measurement (a round has nine); connections: of a closed loop."""

    rounds: int
    seconds: float
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure over all rounds: median, minimum, maximum, and its goal, if it has one."""

    name: str
    what: str
    unit: str
    median: float
    least: float
    greatest: float
    goal: str
    is_reached: bool | None


def measure(rig: Rig, tool: Tool, plan: Plan, say: Callable[[str], None]) -> list[Round]:
    """Measure all rounds. Raises BenchError if an answer was bad, or was not refreshed."""
    for get in (rig.hello(), rig.access_token()):
        tool(get, plan.connections, WARM_UP_SECONDS)
    server_seconds = WARM_UP_SECONDS if rig.stack.is_dev else JAVA_WARM_UP_SECONDS
    client.closed(_at_the_server(rig, plan.connections), server_seconds)
    rounds = []
    for number in range(plan.rounds):
        rounds.append(_round(rig, tool, plan, number))
        rates = "  ".join(f"{name} {outcome.rate:.0f}/s" for name, outcome in rounds[-1].items())
        say(f"  round {number + 1} of {plan.rounds}: {rates}")
    return rounds


def _round(rig: Rig, tool: Tool, plan: Plan, number: int) -> Round:
    seconds, several, everybody = plan.seconds, plan.connections, len(rig.grants)
    taken: Round = {}

    def take(name: str, load: Callable[[], Outcome]) -> None:
        before = processor.used(rig.parts)
        outcome = load()
        taken[name] = replace(outcome, processor=processor.spent(rig.parts, before, outcome.count))

    def closed(callers: Sequence[client.Caller]) -> Callable[[], Outcome]:
        return lambda: client.closed(callers, seconds)

    def opened(callers: Sequence[client.Caller], rate: float) -> Callable[[], Outcome]:
        return lambda: client.opened(callers, rate, seconds, number)

    take("hello", lambda: tool(rig.hello(), several, seconds))
    take("cached", lambda: tool(rig.access_token(), several, seconds))
    take("direct", closed(_at_the_server(rig, several)))
    take("refresh", _refreshing(rig, closed(_through_vault(rig, several))))
    take("direct alone", closed(_at_the_server(rig, 1)))
    take("refresh alone", _refreshing(rig, closed(_through_vault(rig, 1))))
    take("cached open", opened([rig.access_token()] * OPEN_CONNECTIONS, taken["cached"].rate / 2))
    take("direct open", opened(_at_the_server(rig, everybody), taken["refresh"].rate / 2))
    take("refresh open", _refreshing(rig, opened(_through_vault(rig, everybody), taken["refresh"].rate / 2)))
    return taken


def _through_vault(rig: Rig, number: int) -> list[callers.ThroughVault]:
    """Callers that divide the grants among themselves."""
    get = rig.access_token()
    min_valid = rig.lifetime - callers.FRESH_SECONDS.get(rig.stack["IDP"], callers.FRESH_SECONDS_OF_OTHERS)
    return [callers.ThroughVault(get, rig.grants[mine::number], min_valid, SCOPES) for mine in range(number)]


def _at_the_server(rig: Rig, number: int) -> list[callers.AtTheServer]:
    """The same without the vault."""
    endpoint = callers.token_endpoint(rig.stack)
    who = (rig.stack["VAULT_CLIENT_ID"], rig.stack["VAULT_CLIENT_SECRET"])
    places = range(len(rig.refresh_tokens))
    return [
        callers.AtTheServer(endpoint, who, rig.refresh_tokens, places[mine::number], SCOPES) for mine in range(number)
    ]


def _refreshing(rig: Rig, load: Callable[[], Outcome]) -> Callable[[], Outcome]:
    """A load in which each answer costs a refresh; it is repeated if the first one took too long."""

    def checked() -> Outcome:
        before = rig.refreshes()
        outcome = load()
        refreshed = rig.refreshes() - before
        if refreshed < outcome.count:
            raise BenchError(
                f"{outcome.count} answers cost {refreshed} refreshes: some came from a cache, more grants are needed"
            )
        return outcome

    return checked


def figures(rounds: Sequence[Round], *, is_real: bool) -> list[Figure]:
    """P1 to P4. is_real: the authorization server is a real one; the development server has no goals."""

    def ratio(of: str, to: str) -> Callable[[Round], float]:
        return lambda measured: measured[of].rate / measured[to].rate

    found = [
        _figure(rounds, "P1", "cached / bare Flask", "", ratio("cached", "hello"), least=0.38),
        _figure(rounds, "P2", "cached / refreshed at the server", "x", ratio("cached", "direct"), least=10),
        _figure(
            rounds, "P3", "refresh, added for a lone caller", "ms", _added("refresh alone", "direct alone"), most=3
        ),
        _figure(rounds, "P3", "refresh, throughput / direct", "x", ratio("refresh", "direct"), least=0.85),
        _figure(rounds, "P4", "cached at half load, p99", "ms", lambda measured: measured["cached open"].p99, most=10),
        _figure(rounds, "P4", "refresh at half load, p99 - direct", "ms", _p99_added, most=15),
    ]
    return (
        found
        if is_real
        else [found[0], *(replace(figure, goal="", is_reached=None) for figure in found[1:4]), *found[4:]]
    )


def _figure(
    rounds: Sequence[Round],
    name: str,
    what: str,
    unit: str,
    of: Callable[[Round], float],
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Figure:
    values = [of(measured) for measured in rounds]
    median = statistics.median(values)
    return Figure(
        name=name,
        what=what,
        unit=unit,
        median=median,
        least=min(values),
        greatest=max(values),
        goal=f"≥ {least:g}" if most == math.inf else f"≤ {most:g}",
        is_reached=least <= median <= most,
    )


def _added(of: str, to: str) -> Callable[[Round], float]:
    return lambda measured: measured[of].p50 - measured[to].p50


def _p99_added(measured: Round) -> float:
    return measured["refresh open"].p99 - measured["direct open"].p99
