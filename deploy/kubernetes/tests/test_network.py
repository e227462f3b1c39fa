"""The allowed connections are exactly those of the README's picture, in each overlay."""

import itertools
from pathlib import Path

import pytest
from kubernetes_manifests import (
    NAME,
    OVERLAYS,
    Object,
    as_the_readme_patches,
    containers,
    deployment,
    labels,
    of_kind,
    with_metrics,
    workloads,
)
from network_policies import Pod, may, reaches_outside, selects

INGRESS = Pod("ingress", {}, namespace={"offline-token-vault/ingress": "true"})
PROMETHEUS = Pod("prometheus", {}, namespace={"offline-token-vault/monitoring": "true"})
STRANGER = Pod("stranger", {NAME: "gateway"}, namespace={"kubernetes.io/metadata.name": "default"})
OPERATOR = Pod("operator", {NAME: "cloudnative-pg"}, namespace={"kubernetes.io/metadata.name": "cnpg-system"})
DATABASE = Pod("database", {"cnpg.io/cluster": "database"}, {"postgresql": 5432, "status": 8000})

SERVING = {
    ("ingress", "gateway", 3000),
    ("gateway", "vault", 8000),
    ("gateway", "task-api", 8000),
    ("task-api", "vault", 8000),
    ("task-worker", "vault", 8000),
}
OPERATED = {
    ("vault", "redis", 6379),
    *((name, "database", 5432) for name in ("vault", "vault-migrate", "task-api", "task-worker", "task-migrate")),
    *itertools.product(("database", "operator"), ("database",), (5432, 8000)),
}
NAMES = Pod("names", {"k8s-app": "kube-dns"}, namespace={"kubernetes.io/metadata.name": "kube-system"})
NEIGHBOUR = Pod("neighbour", {"k8s-app": "metrics"}, namespace=NAMES.namespace)
IMPOSTOR = Pod("impostor", NAMES.labels, namespace=STRANGER.namespace)
KEYCLOAK = Pod("keycloak", {NAME: "keycloak"}, {"https": 8443}, namespace={"kubernetes.io/metadata.name": "keycloak"})
HTTPS = {("0.0.0.0/0", 443), ("::/0", 443)}
API_SERVER = HTTPS | {("0.0.0.0/0", 6443), ("::/0", 6443)}
VAULT_DATA = {("192.0.2.10/32", 5432)}
TASK_DATA = {("192.0.2.20/32", 5432)}
REDIS = {("192.0.2.30/32", 6379)}


def _pods(objects: tuple[Object, ...]) -> list[Pod]:
    pods = []
    for workload in workloads(objects):
        ports = {each["name"]: each["containerPort"] for each in containers(workload)[0].get("ports", [])}
        pods.append(Pod(workload["metadata"]["name"], labels(workload), ports))
    return [*pods, DATABASE] if of_kind(objects, "Cluster") else pods


def _ways(objects: tuple[Object, ...]) -> set[tuple[str, str, int]]:
    """Every allowed connection, of all that might be tried at a port with a listener."""
    policies, pods = of_kind(objects, "NetworkPolicy"), _pods(objects)
    return {
        (source.name, target.name, port)
        for source in (*pods, INGRESS, PROMETHEUS, STRANGER, OPERATOR)
        for target in pods
        for port in target.ports.values()
        if may(policies, source, target, port)
    }


@pytest.mark.parametrize(("overlay", "more"), [("cloudnative-pg", OPERATED), ("managed", set())])
def test_nobody_reaches_more_than_the_picture_says(overlay: str, more: set[tuple[str, str, int]]) -> None:
    assert _ways(deployment(overlay)) == SERVING | more


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_denied_everything_that_is_not_allowed(overlay: str) -> None:
    policies = of_kind(deployment(overlay), "NetworkPolicy")
    for pod in _pods(deployment(overlay)):
        governing = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], pod.labels)]
        assert {direction for each in governing for direction in each["policyTypes"]} == {"Ingress", "Egress"}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_every_pod_asks_the_cluster_s_name_service_and_takes_no_other_for_it(overlay: str, protocol: str) -> None:
    policies, pods = of_kind(deployment(overlay), "NetworkPolicy"), _pods(deployment(overlay))
    others = (*pods, NEIGHBOUR, IMPOSTOR)
    asked = {
        (pod.name, there.name) for pod in pods for there in (NAMES, *others) if may(policies, pod, there, 53, protocol)
    }
    assert asked == {(pod.name, "names") for pod in pods}


def test_the_readme_s_patches_lead_to_a_local_name_service_and_to_an_authorization_server_in_the_cluster(
    tmp_path: Path,
) -> None:
    before, after = (
        of_kind(each, "NetworkPolicy") for each in (deployment("managed"), as_the_readme_patches(tmp_path, "managed"))
    )
    pods = _pods(deployment("managed"))
    for pod in pods:
        local = {("169.254.20.10/32", 53), ("10.96.0.10/32", 53)}
        assert reaches_outside(after, pod) - reaches_outside(before, pod) == local
    reached = {pod.name for pod in pods if may(after, pod, KEYCLOAK, 8443)}
    assert reached == {"vault", "task-api", "task-worker"}
    assert not any(may(before, pod, KEYCLOAK, 8443) for pod in pods)


def test_without_the_policies_everything_would_be_open() -> None:
    without = tuple(each for each in deployment("managed") if each["kind"] != "NetworkPolicy")
    assert ("stranger", "vault", 8000) in _ways(without)
    assert ("task-worker", "vault", 9100) in _ways(without)


def test_only_who_measures_asks_for_metrics(tmp_path: Path) -> None:
    added = _ways(with_metrics(tmp_path)) - SERVING
    assert added == {("prometheus", name, 9100) for name in ("vault", "task-api", "task-worker")}


def _reached_outside(overlay: str) -> dict[str, set[tuple[str, int]]]:
    policies = of_kind(deployment(overlay), "NetworkPolicy")
    return {pod.name: reaches_outside(policies, pod) for pod in _pods(deployment(overlay))}


def test_outside_the_cluster_the_task_side_reaches_neither_the_vault_s_database_nor_redis() -> None:
    assert _reached_outside("managed") == {
        "gateway": set(),
        "vault": HTTPS | VAULT_DATA | REDIS,
        "vault-migrate": VAULT_DATA,
        "task-api": HTTPS | TASK_DATA,
        "task-worker": HTTPS | TASK_DATA,
        "task-migrate": TASK_DATA,
    }


def test_with_the_operator_s_database_nobody_reaches_more_than_https_outside() -> None:
    reached = _reached_outside("cloudnative-pg")
    assert reached.pop("database") == API_SERVER
    assert {name for name, where in reached.items() if where} == {"vault", "task-api", "task-worker"}
    assert reached["vault"] == reached["task-api"] == reached["task-worker"] == HTTPS


def test_the_operator_s_database_lets_each_role_into_its_own_database_only() -> None:
    (cluster,) = of_kind(deployment("cloudnative-pg"), "Cluster")
    rules = [rule.split() for rule in cluster["spec"]["postgresql"]["pg_hba"]]
    assert rules == [
        ["hostssl", "vault", "vault,vault_owner", "all", "scram-sha-256"],
        ["hostssl", "tasks", "tasks,tasks_owner", "all", "scram-sha-256"],
        ["host", "all", "all", "all", "reject"],
    ]
