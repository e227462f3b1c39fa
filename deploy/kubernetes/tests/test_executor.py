"""The manifests of the executor `kubernetes`: what the worker may do, and where, and what attempts reach."""

from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes_manifests import (
    NAME,
    OVERLAYS,
    Object,
    containers,
    deployment,
    labels,
    named,
    of_kind,
    pod,
    with_executor,
)
from network_policies import Pod, may

OURS, THEIRS = "offline-token-vault", "offline-token-vault-attempts"
SPACE = "kubernetes.io/metadata.name"
LABELS = {NAME: "task-attempt"}
VAULT_PORT = 8000


@pytest.fixture
def objects(tmp_path: Path) -> tuple[Object, ...]:
    """The base with the executor."""
    return with_executor(tmp_path)


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_every_object_fits_the_schema_of_its_kind(objects: tuple[Object, ...], version: str) -> None:
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_the_component_nobody_has_an_account_or_rights(overlay: str) -> None:
    assert (
        of_kind(deployment(overlay), "Role", "RoleBinding", "ServiceAccount", "ClusterRole", "ClusterRoleBinding") == []
    )


def test_the_worker_alone_has_the_account_and_its_rights_are_in_the_other_namespace_only(
    objects: tuple[Object, ...],
) -> None:
    assert of_kind(objects, "ClusterRole", "ClusterRoleBinding") == []
    (role,) = of_kind(objects, "Role")
    (binding,) = of_kind(objects, "RoleBinding")
    (account,) = of_kind(objects, "ServiceAccount")
    assert {role["metadata"]["namespace"], binding["metadata"]["namespace"]} == {THEIRS}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    where = {"name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
    assert binding["subjects"] == [{"kind": "ServiceAccount", **where}]
    rights = {(verb, resource) for rule in role["rules"] for verb in rule["verbs"] for resource in rule["resources"]}
    assert {verb for verb, resource in rights if resource == "secrets"} == {"create"}
    has_token = {
        each["metadata"]["name"]: pod(each).get("serviceAccountName")
        for each in of_kind(objects, "Deployment", "StatefulSet")
        if pod(each)["automountServiceAccountToken"]
    }
    assert has_token == {"task-worker": account["metadata"]["name"]}
    (container,) = containers(named(objects, "Deployment", "task-worker"))
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert variables["TASK_KUBERNETES_NAMESPACE"] == THEIRS
    assert (
        named(objects, "Namespace", THEIRS)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )


def test_attempts_reach_the_vault_and_nobody_else_and_nobody_reaches_them(objects: tuple[Object, ...]) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    ours, theirs = ([each for each in policies if each["metadata"]["namespace"] == space] for space in (OURS, THEIRS))
    reached = set()
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        name, ports = each["metadata"]["name"], containers(each)[0].get("ports", [])
        for port in ports:
            listening = {port["name"]: port["containerPort"]}
            seen_here = Pod(name, labels(each), listening)
            seen_there = Pod(name, labels(each), listening, namespace={SPACE: OURS})
            enters = may(ours, Pod("attempt", LABELS, namespace={SPACE: THEIRS}), seen_here, port["containerPort"])
            leaves = may(theirs, Pod("attempt", LABELS), seen_there, port["containerPort"])
            reached |= {(name, port["containerPort"])} if enters and leaves else set()
            assert not may(theirs, seen_there, Pod("attempt", LABELS, listening), port["containerPort"])
    assert reached == {("vault", VAULT_PORT)}
