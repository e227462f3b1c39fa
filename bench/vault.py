"""The vault's figures P1 to P4, P1d and P1e, measured in turns, so that a busy moment affects all of them.

P1: a cached access token compared with a bare Flask route on gunicorn's own threads, at full speed. P1d: the vault's
processor time for tokens of many grants that the process finds in Redis, compared with those that it remembers. P1e: a
token by a ticket, compared with the service's own. P2: a cached access token compared with a refresh at the
authorization server each time. P3: what the vault adds to a refresh: to the latency of a lone caller, and to the
throughput of several. P4: latency in an open loop, at half of the maximum rate.

Another checkout of the product can be measured in the same rounds; its measurements are called `… before`.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench import callers, client, processor
from bench.load import Get, Tool
from bench.outcome import BenchError, LoadOutcome
from bench.rig import SCOPES, Rig, RigServers

OPEN_CONNECTIONS = 64
"""For cached tokens in an open loop: enough for arrivals to spread over gunicorn's processes."""
WARM_UP_SECONDS = 1.0
JAVA_WARM_UP_SECONDS = 15.0
"""A Java server is compiled while it runs."""

BEFORE = " before"
"""Ends the names of another checkout's measurements."""

Round = dict[str, LoadOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """seconds: of one measurement; connections: of a closed loop.

    is_quick: cached tokens only.
    """

    rounds: int
    seconds: float
    connections: int
    is_quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFigure:
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
    gets = [get for _, servers in _checkouts(rig, 0) for get in (rig.hello(servers), rig.access_token(servers))]
    for get in (rig.flask(), rig.by_ticket(), *gets):
        tool(get, plan.connections, WARM_UP_SECONDS)
    for _, servers in _checkouts(rig, 0):
        for url in (servers.vault_url, servers.shared_url):
            client.closed(_of_many_grants(rig, url, plan.connections), WARM_UP_SECONDS)
    server_seconds = WARM_UP_SECONDS if rig.stack.is_dev else JAVA_WARM_UP_SECONDS
    if not plan.is_quick:
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

    def take(name: str, load: Callable[[], LoadOutcome]) -> None:
        before = processor.used(rig.parts)
        outcome = load()
        taken[name] = replace(outcome, processor=processor.spent(rig.parts, before, outcome.count))

    def loaded(get: Get) -> Callable[[], LoadOutcome]:
        return lambda: tool(get, several, seconds)

    def closed(callers: Sequence[client.LoadCaller]) -> Callable[[], LoadOutcome]:
        return lambda: client.closed(callers, seconds)

    def opened(callers: Sequence[client.LoadCaller], rate: float) -> Callable[[], LoadOutcome]:
        return lambda: client.opened(callers, rate, seconds, number)

    checkouts = _checkouts(rig, number)
    take("flask", loaded(rig.flask()))
    for suffix, servers in checkouts:
        take(f"hello{suffix}", loaded(rig.hello(servers)))
        take(f"cached{suffix}", loaded(rig.access_token(servers)))
        take(f"many{suffix}", closed(_of_many_grants(rig, servers.vault_url, several)))
        take(f"shared{suffix}", closed(_of_many_grants(rig, servers.shared_url, several)))
    take("ticket", loaded(rig.by_ticket()))
    for suffix, servers in checkouts:
        take(f"cached open{suffix}", opened([rig.access_token(servers)] * OPEN_CONNECTIONS, taken["cached"].rate / 2))
    if plan.is_quick:
        return taken
    take("direct", closed(_at_the_server(rig, several)))
    take("direct alone", closed(_at_the_server(rig, 1)))
    for suffix, servers in checkouts:
        take(f"refresh{suffix}", _refreshing(rig, closed(_through_vault(rig, servers, several))))
        take(f"refresh alone{suffix}", _refreshing(rig, closed(_through_vault(rig, servers, 1))))
    take("direct open", opened(_at_the_server(rig, everybody), taken["refresh"].rate / 2))
    everybody_through = _through_vault(rig, rig.servers, everybody)
    take("refresh open", _refreshing(rig, opened(everybody_through, taken["refresh"].rate / 2)))
    return taken


def _checkouts(rig: Rig, number: int) -> list[tuple[str, RigServers]]:
    """The servers of each checkout with a suffix for their measurements; they take turns in being the first."""
    checkouts = [("", rig.servers)]
    if rig.before is not None:
        checkouts.insert(number % 2, (BEFORE, rig.before))
    return checkouts


def _of_many_grants(rig: Rig, vault_url: str, number: int) -> list[callers.ByTurns]:
    """Callers of cached tokens. Each begins with another grant, so that few want the same one at the same time."""
    gets = rig.access_tokens(vault_url)
    starts = [place * len(gets) // number for place in range(number)]
    return [callers.ByTurns([*gets[start:], *gets[:start]]) for start in starts]


def _through_vault(rig: Rig, servers: RigServers, number: int) -> list[callers.ThroughVault]:
    """Callers that divide the grants among themselves."""
    get = rig.access_token(servers)
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


def _refreshing(rig: Rig, load: Callable[[], LoadOutcome]) -> Callable[[], LoadOutcome]:
    """A load in which each answer costs a refresh; it is repeated if the first one took too long."""

    def checked() -> LoadOutcome:
        before = rig.refreshes()
        outcome = load()
        refreshed = rig.refreshes() - before
        if refreshed < outcome.count:
            raise BenchError(
                f"{outcome.count} answers cost {refreshed} refreshes: some came from a cache, more grants are needed"
            )
        return outcome

    return checked


def figures(rounds: Sequence[Round], *, is_real: bool) -> list[VaultFigure]:
    """P1 to P4. is_real: the authorization server is a real one; the development server has no goals."""

    def ratio(of: str, to: str) -> Callable[[Round], float]:
        return lambda measured: measured[of].rate / measured[to].rate

    found = [
        _figure(rounds, "P1", "cached / bare Flask", "", ratio("cached", "flask"), least=0.38),
        _figure(rounds, "P1", "cached / bare Flask, same server", "", ratio("cached", "hello")),
        _figure(rounds, "P1d", "in Redis / remembered, processor time", "x", _cost_of_redis(""), most=2),
        _figure(rounds, "P1e", "cached by ticket / by the service's token", "x", ratio("ticket", "cached"), least=0.9),
    ]
    if f"cached{BEFORE}" in rounds[0]:
        found += [
            _figure(rounds, "P1", "before: cached / bare Flask", "", ratio(f"cached{BEFORE}", "flask")),
            _figure(rounds, "P1d", "before: in Redis / remembered", "x", _cost_of_redis(BEFORE)),
            *(
                _figure(rounds, "", f"{name}: now / before", "x", ratio(name, f"{name}{BEFORE}"))
                for name in ("hello", "cached", "refresh", "refresh alone")
                if name in rounds[0]
            ),
        ]
    if "direct" not in rounds[0]:
        return found
    found += [
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
        else [replace(figure, goal="", is_reached=None) if figure.name in {"P2", "P3"} else figure for figure in found]
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
) -> VaultFigure:
    values = [of(measured) for measured in rounds]
    median = statistics.median(values)
    return VaultFigure(
        name=name,
        what=what,
        unit=unit,
        median=median,
        least=min(values),
        greatest=max(values),
        goal=_goal(least, most),
        is_reached=least <= median <= most if _goal(least, most) else None,
    )


def _goal(least: float, most: float) -> str:
    if most < math.inf:
        return f"≤ {most:g}"
    return f"≥ {least:g}" if least > -math.inf else ""


def _cost_of_redis(suffix: str) -> Callable[[Round], float]:
    part = suffix.replace(" ", "-")

    def cost(measured: Round) -> float:
        remembered = measured[f"many{suffix}"].processor[f"bench-vault{part}"]
        return measured[f"shared{suffix}"].processor[f"bench-shared{part}"] / remembered

    return cost


def _added(of: str, to: str) -> Callable[[Round], float]:
    return lambda measured: measured[of].p50 - measured[to].p50


def _p99_added(measured: Round) -> float:
    return measured["refresh open"].p99 - measured["direct open"].p99
