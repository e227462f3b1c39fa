"""Connections that NetworkPolicies allow: rules add up, and both ends have to allow a connection."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Policy = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Pod:
    """A kind of pod. namespace: the labels of its namespace, none for ours; ports: those with names."""

    name: str
    labels: Labels
    ports: Mapping[str, int] = field(default_factory=dict)
    namespace: Labels | None = None


def may(policies: Iterable[Policy], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """True if a connection gets through, or a datagram by UDP."""
    policies, way = list(policies), (protocol, port)
    leaves = source.namespace is not None or _passes(policies, "Egress", source, target, way)
    enters = target.namespace is not None or _passes(policies, "Ingress", target, source, way)
    return leaves and enters


def reaches_outside(policies: Iterable[Policy], source: Pod) -> set[tuple[str, int]]:
    """Address ranges and ports outside the cluster that a pod may reach."""
    return {
        (peer["ipBlock"]["cidr"], port["port"])
        for policy in _of(list(policies), "Egress", source)
        for rule in policy["spec"].get("egress", [])
        for peer in rule["to"]
        if "ipBlock" in peer
        for port in rule["ports"]
    }


def _passes(policies: list[Policy], direction: str, here: Pod, there: Pod, way: tuple[str, int]) -> bool:
    governing = _of(policies, direction, here)
    if not governing:
        return True
    listening = there if direction == "Egress" else here
    peers = "to" if direction == "Egress" else "from"
    return any(
        _port_fits(rule.get("ports"), listening, way) and _peer_fits(rule.get(peers), there)
        for policy in governing
        for rule in policy["spec"].get(direction.lower(), [])
    )


def _of(policies: list[Policy], direction: str, pod: Pod) -> list[Policy]:
    return [
        policy
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod.labels)
    ]


def _port_fits(ports: list[dict[str, Any]] | None, listening: Pod, way: tuple[str, int]) -> bool:
    if not ports:
        return True
    return any(way == (each.get("protocol", "TCP"), listening.ports.get(each["port"], each["port"])) for each in ports)


def _peer_fits(peers: list[dict[str, Any]] | None, there: Pod) -> bool:
    return not peers or any(_is_peer(peer, there) for peer in peers)


def _is_peer(peer: dict[str, Any], there: Pod) -> bool:
    if "ipBlock" in peer:  # addresses of pods are nobody's to know
        return False
    where = peer.get("namespaceSelector")
    if there.namespace is None:
        in_place = where is None or where == {}
    else:
        in_place = where is not None and selects(where, there.namespace)
    return in_place and selects(peer.get("podSelector", {}), there.labels)


def selects(selector: dict[str, Any], labels: Labels) -> bool:
    """A LabelSelector with `matchLabels` and `matchExpressions` of operator `In`."""
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions), "no other operator is understood here"
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
