"""The objects that the executor `kubernetes` makes for an attempt: a Job, and the Secret with its order."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from task_service.executors.order import Order

LEASE_SECONDS = 60
"""How long a Job lives after it was made or extended: that of a dead worker ends by then."""
CONTAINER = "attempt"
FOLDER = "/run/task"
USER = 10002
"""Of the service's image. Images of others need not know it."""
GONE_NODE_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSettings:
    """The settings of pods that run attempts. cpu, memory: quantities of Kubernetes, both request and limit."""

    image: str
    cpu: str = "1"
    memory: str = "512Mi"


def job_of(order: Order, name: str, command: Sequence[str], settings: PodSettings) -> dict[str, Any]:
    """A Job that runs one pod once. It starts when the Secret of the same name is there."""
    labels = {"app.kubernetes.io/name": "task-attempt", "offline-token-vault/task": str(order.task_id)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": LEASE_SECONDS,
            "ttlSecondsAfterFinished": LEASE_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": _pod(name, command, settings)},
        },
    }


def secret_of(order: Order, job: dict[str, Any]) -> dict[str, Any]:
    """The order, owned by its Job, with which Kubernetes deletes it. job: as the API has answered."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}],
        },
        "immutable": True,
        "data": {"order": base64.b64encode(msgspec.json.encode(order)).decode()},
    }


def _pod(name: str, command: Sequence[str], settings: PodSettings) -> dict[str, Any]:
    gone = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": GONE_NODE_SECONDS}
            for key in gone
        ],
        "containers": [_container(command, settings)],
        "volumes": [
            {"name": "order", "secret": {"secretName": name, "defaultMode": 0o400}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        ],
    }


def _container(command: Sequence[str], settings: PodSettings) -> dict[str, Any]:
    resources = {"cpu": settings.cpu, "memory": settings.memory}
    return {
        "name": CONTAINER,
        "image": settings.image,
        "command": [*command, f"{FOLDER}/order"],
        "workingDir": "/tmp",  # noqa: S108 - the pod's own
        "env": [{"name": name, "value": "/tmp"} for name in ("HOME", "TMPDIR")]  # noqa: S108
        + [{"name": "LANG", "value": "C.UTF-8"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "order", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }
