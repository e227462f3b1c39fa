"""Rules of the manifests: they fit the API's schemas, and each pod keeps to the README's rules."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
from kubernetes_manifests import (
    FOLDER,
    OVERLAYS,
    Object,
    build,
    containers,
    deployment,
    labels,
    migrations,
    named,
    of_kind,
    pod,
    secrets_read,
    with_metrics,
    workloads,
)
from kubernetes_secrets import managed, operated
from network_policies import selects

from service_kit.server import gunicorn_config

VERSIONS = ("1.30", "1.37")
"""The oldest API that the manifests are for, and the newest whose schemas we have."""
OPERATORS = {"Cluster", "Database", "ServiceMonitor"}
"""Kinds of operators; their schemas are in no package."""
CLIENTS = {"VAULT_CLIENT_SECRET": "v", "TASK_SERVICE_CLIENT_SECRET": "t"}
URLS = (
    "VAULT_DATABASE_URL",
    "VAULT_MIGRATION_DATABASE_URL",
    "TASK_DATABASE_URL",
    "TASK_MIGRATION_DATABASE_URL",
    "REDIS_URL",
)
DRAIN_SECONDS = {
    "vault": gunicorn_config.graceful_timeout,
    "task-api": gunicorn_config.graceful_timeout,
    "gateway": 30,  # worker_shutdown_timeout of deploy/nginx
    "task-worker": 10,  # SHUTDOWN_SECONDS of task_service.worker.supervisor
}
CONNECTIONS = {"vault": 72, "task-api": 20, "task-worker": 39}
"""That a replica may open; the README says of what they are made."""
RESERVED_CONNECTIONS = 20


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    """Each overlay's name."""
    return str(request.param)


@pytest.fixture
def objects(overlay: str) -> tuple[Object, ...]:
    """All that the overlay puts into the cluster."""
    return deployment(overlay)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_fits_the_schema_of_its_kind(objects: tuple[Object, ...], version: str, tmp_path: Path) -> None:
    known = [each for each in (*objects, *with_metrics(tmp_path)) if each["kind"] not in OPERATORS]
    assert len(known) > 40
    for each in known:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_member_does_not_fit(objects: tuple[Object, ...]) -> None:
    vault = named(objects, "StatefulSet", "vault")
    wrong = {**vault, "spec": {**vault["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_everything_is_in_the_one_namespace_that_admits_restricted_pods_only(objects: tuple[Object, ...]) -> None:
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    rest = [each for each in objects if each is not namespace]
    assert {each["metadata"]["namespace"] for each in rest} == {namespace["metadata"]["name"]}


def test_no_pod_has_more_rights_than_it_needs(objects: tuple[Object, ...]) -> None:
    for workload in workloads(objects):
        security = pod(workload)["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod(workload)["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(workload))
        assert all("hostPath" not in volume for volume in pod(workload)["volumes"])
        for container in containers(workload):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_users_are_those_of_the_images(objects: tuple[Object, ...]) -> None:
    root = Path(__file__).resolve().parents[3]
    files = {
        "vault-service": "vault-service/Dockerfile",
        "task-service": "task-service/Dockerfile",
        "gateway": "frontend/Dockerfile",
    }
    users = {
        name: int(re.findall(r"^USER (\d+)", (root / file).read_text(encoding="utf-8"), re.MULTILINE)[-1])
        for name, file in files.items()
    }
    for workload in workloads(objects):
        image = containers(workload)[0]["image"].rpartition("/")[2].partition(":")[0]
        if image in users:
            assert pod(workload)["securityContext"]["runAsUser"] == users[image]


def test_every_image_has_a_tag_that_stays(objects: tuple[Object, ...]) -> None:
    for workload in workloads(objects):
        for container in containers(workload):
            tag = container["image"].rpartition("/")[2].partition(":")[2]
            assert tag
            assert "latest" not in tag


def test_every_container_says_what_it_needs_and_has_a_limit_of_memory(objects: tuple[Object, ...]) -> None:
    for workload in workloads(objects):
        for container in containers(workload):
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_the_gateway_has_a_number_of_workers_that_its_memory_is_for(objects: tuple[Object, ...]) -> None:
    (settings,) = [each["data"] for each in of_kind(objects, "ConfigMap") if "VAULT_UPSTREAM" in each["data"]]
    assert settings["NGINX_WORKERS"] == "2"


def test_everything_that_stays_is_probed(objects: tuple[Object, ...]) -> None:
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        (container,) = containers(workload)
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    for name, kind in (("vault", "StatefulSet"), ("task-api", "Deployment")):
        (container,) = containers(named(objects, kind, name))
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_no_pod_is_killed_before_it_has_drained(objects: tuple[Object, ...]) -> None:
    for workload in of_kind(objects, "Deployment", "StatefulSet"):
        name = workload["metadata"]["name"]
        if name in DRAIN_SECONDS:
            (container,) = containers(workload)
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            assert pod(workload)["terminationGracePeriodSeconds"] > pause + DRAIN_SECONDS[name]
            assert pause >= 5 or name == "task-worker"


def test_before_a_roll_out_the_jobs_apply_what_old_code_can_live_with_and_after_it_everything(overlay: str) -> None:
    before, after = (migrations(overlay, stage) for stage in ("before", "after"))
    for stage, arguments in ((before, ["migrate", "--pre-only"]), (after, ["migrate"])):
        assert {each["metadata"]["name"]: containers(each)[0]["args"] for each in stage} == {
            "vault-migrate": arguments,
            "task-migrate": arguments,
        }
    for early, late in zip(before, after, strict=True):
        assert early == late | {"spec": early["spec"]}
        assert containers(early)[0] | {"args": []} == containers(late)[0] | {"args": []}
        assert pod(early) | {"containers": []} == pod(late) | {"containers": []}


def test_every_folder_that_the_readme_applies_can_be_built() -> None:
    named_there = set(re.findall(r" -k (deploy/kubernetes/\S+)", (FOLDER / "README.md").read_text(encoding="utf-8")))
    overlay = "deploy/kubernetes/overlays/cloudnative-pg"
    attempts = "deploy/kubernetes/attempts"
    assert named_there == {overlay, f"{overlay}/migrations/before", f"{overlay}/migrations/after", attempts}
    for folder in named_there:
        assert build(FOLDER.parents[1] / folder)


def test_what_people_wait_for_survives_a_drained_node_and_grows_with_load(objects: tuple[Object, ...]) -> None:
    for name in DRAIN_SECONDS:
        budget, scaler = (named(objects, kind, name) for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler"))
        target = named(objects, scaler["spec"]["scaleTargetRef"]["kind"], name)
        assert "replicas" not in target["spec"], "each `apply` would undo what the autoscaler has done"
        assert scaler["spec"]["minReplicas"] >= 2
        assert selects(budget["spec"]["selector"], labels(target))
        assert budget["spec"]["maxUnavailable"] < scaler["spec"]["minReplicas"]
        spread = {each["topologyKey"] for each in pod(target)["topologySpreadConstraints"]}
        assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_the_database_has_room_for_as_many_replicas_as_there_may_be_in_the_middle_of_a_roll_out() -> None:
    objects = deployment("cloudnative-pg")
    (cluster,) = of_kind(objects, "Cluster")
    most = 0
    for name, connections in CONNECTIONS.items():
        scaler = named(objects, "HorizontalPodAutoscaler", name)["spec"]
        target = named(objects, scaler["scaleTargetRef"]["kind"], name)["spec"]
        surge = target.get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 0)
        most += (scaler["maxReplicas"] + surge) * connections
    assert most + RESERVED_CONNECTIONS <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])


def test_every_service_finds_its_pods_and_their_port(objects: tuple[Object, ...], tmp_path: Path) -> None:
    for service in of_kind((*objects, *with_metrics(tmp_path)), "Service"):
        (target,) = [each for each in workloads(objects) if service["spec"]["selector"].items() <= labels(each).items()]
        ports = {port["name"] for port in containers(target)[0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_spool_is_a_volume_of_the_replica_s_own_that_is_never_deleted(objects: tuple[Object, ...]) -> None:
    vault = named(objects, "StatefulSet", "vault")
    (claim,) = vault["spec"]["volumeClaimTemplates"]
    (mount,) = [each for each in containers(vault)[0]["volumeMounts"] if each["name"] == claim["metadata"]["name"]]
    assert mount["mountPath"] == "/var/lib/vault-service/spool"
    assert vault["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


def test_secrets_are_files_that_not_everybody_may_read(objects: tuple[Object, ...]) -> None:
    assert of_kind(objects, "Secret") == []
    for workload in workloads(objects):
        assert all(mode == 0o400 for _, mode in secrets_read(workload))
        assert "fsGroup" in pod(workload)["securityContext"]
        for container in containers(workload):
            assert "secretRef" not in str(container)
            assert "secretKeyRef" not in str(container)


def test_the_script_makes_every_secret_that_is_read_and_every_file_of_it(
    overlay: str, objects: tuple[Object, ...]
) -> None:
    environ = {**CLIENTS, **{name: f"url://{name}" for name in URLS}}
    made = {str(each["metadata"]["name"]): each for each in (managed if overlay == "managed" else operated)(environ)}
    for each in made.values():
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)
    mounted = {name for workload in workloads(objects) for name, _ in secrets_read(workload)}
    roles = set(re.findall(r"'name': '(database-[a-z-]+)'", str(of_kind(objects, "Cluster"))))
    assert set(made) == (mounted | roles) - {"database-ca"}  # that one is the operator's
    for workload in workloads(objects):
        keys = {key for name, _ in secrets_read(workload) if name in made for key in made[name]["stringData"]}
        mounts = {each["name"]: each["mountPath"] for each in containers(workload)[0]["volumeMounts"]}
        for variable in containers(workload)[0].get("env", []):
            if variable["name"].endswith("_FILE"):
                folder, _, key = variable["value"].rpartition("/")
                assert key in keys
                assert folder == mounts["secrets"]


def test_only_the_root_key_cannot_be_overwritten() -> None:
    immutable = [each["metadata"]["name"] for each in operated(CLIENTS) if each.get("immutable")]
    assert immutable == ["vault-root-key"]
