"""`kubernetes`: attempts as Jobs of a Kubernetes cluster, in pods that have the program and the order, and no more.

The Job owns a Secret with the order, so that both are deleted together. The output comes back by the pod's log. The
Job's `activeDeadlineSeconds` is a lease which the worker extends: a Job whose worker is gone ends by itself.
"""

import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from typing import Any
from uuid import uuid4

from task_service.application.errors import HandlerError, LostError
from task_service.executors.child import Lines
from task_service.executors.kubernetes_api import NOT_FOUND, KubernetesApi, KubernetesError
from task_service.executors.kubernetes_log import SeenLines
from task_service.executors.kubernetes_objects import CONTAINER, LEASE_SECONDS, PodSettings, job_of, secret_of
from task_service.executors.order import Order

CORE, BATCH = "api/v1", "apis/batch/v1"
COMMAND = ("python", "-I", "-m", "task_service.elsewhere")
LOOK_SECONDS = 0.3
EXTEND_SECONDS = 15.0
AGAIN_SECONDS = 3.0
"""When a lease that could not be extended is tried again."""
MAX_BATCHES = 64
GONE = "The Kubernetes Job that ran this attempt is gone."
CANNOT_START = {
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
}
"""Reasons for which a container waits until somebody mends something."""


class KubernetesExecutor:
    """`executors.base.Executor`."""

    def __init__(self, api: KubernetesApi, settings: PodSettings, command: Sequence[str] = COMMAND) -> None:
        """command: starts the program in the image."""
        self._api = api
        self._settings = settings
        self._command = command

    def start(self, order: Order) -> "KubernetesRunning":
        """Make the Job, then its Secret, for which the pod waits."""
        name = f"task-{order.task_id}-{uuid4().hex[:8]}"
        running, began_at = None, time.monotonic()
        try:
            job = self._api.call("POST", BATCH, "jobs", job_of(order, name, self._command, self._settings))
            running = KubernetesRunning(self._api, name, began_at)
            self._api.call("POST", CORE, "secrets", secret_of(order, job))
        except KubernetesError as error:
            if running is not None:
                running.stop()
            raise HandlerError(str(error), can_pass=error.can_pass) from None
        return running


class KubernetesRunning:
    """`executors.base.Running`. A thread of its own follows the pod."""

    def __init__(self, api: KubernetesApi, name: str, began_at: float) -> None:
        """name: of the Job; began_at: monotonic time, not after the Job's own beginning."""
        self._api = api
        self._name = name
        self._began_at = self._extended_at = began_at
        self._extend_at = self._began_at + EXTEND_SECONDS
        self._found: queue.Queue[list[bytes] | Exception] = queue.Queue(MAX_BATCHES)
        self._stopped = threading.Event()
        threading.Thread(target=self._follow, name="pod", daemon=True).start()

    def take(self, seconds: float) -> Sequence[bytes]:
        """New lines. Extends the lease."""
        self._extend()
        try:
            found = self._found.get(timeout=seconds)
        except queue.Empty:
            return ()
        if isinstance(found, Exception):
            raise found
        return found

    def stop(self) -> None:
        """Delete the Job; Kubernetes deletes its pod and its Secret. If it cannot be told, the lease runs out."""
        self._stopped.set()
        with suppress(KubernetesError):
            self._api.call("DELETE", BATCH, f"jobs/{self._name}", propagationPolicy="Background")

    def _extend(self) -> None:
        now = time.monotonic()
        if now < self._extend_at:
            return
        until = {"spec": {"activeDeadlineSeconds": ceil(now - self._began_at) + LEASE_SECONDS}}
        try:
            self._api.call("PATCH", BATCH, f"jobs/{self._name}", until)
        except KubernetesError as error:
            if error.status == NOT_FOUND:
                raise LostError(GONE) from None
            if now - self._extended_at > LEASE_SECONDS:
                raise LostError(str(error)) from None
            self._extend_at = time.monotonic() + AGAIN_SECONDS
        else:
            self._extended_at, self._extend_at = now, now + EXTEND_SECONDS

    def _follow(self) -> None:
        try:
            self._follow_pod(SeenLines())
        except Exception as error:  # noqa: BLE001 - `take` raises it
            self._put(error)

    def _follow_pod(self, seen: SeenLines) -> None:
        pod_name: str | None = None
        while not self._stopped.wait(LOOK_SECONDS):
            with suppress(KubernetesError):  # an API that is away is asked again, as long as the lease holds
                pod = self._pod(pod_name)
                if pod is None:
                    continue
                pod_name = pod["metadata"]["name"]
                _demand_startable(pod)
                end = _end(pod)
                if end or pod["status"].get("phase") == "Running":
                    with suppress(KubernetesError):
                        self._read(pod["metadata"]["name"], seen, follow=not end)
                if end:
                    raise LostError(end)

    def _pod(self, name: str | None) -> Any:
        """The Job's pod; None before there is one. Raises LostError when it is there no longer."""
        found = self._api.call("GET", CORE, "pods", labelSelector=f"batch.kubernetes.io/job-name={self._name}")
        pods = [pod for pod in found["items"] if name in {None, pod["metadata"]["name"]}]
        if not pods and name is not None:
            raise LostError(GONE)
        return pods[0] if pods else None

    def _read(self, pod: str, seen: SeenLines, *, follow: bool) -> None:
        lines = Lines()
        query = {"container": CONTAINER, "follow": str(follow).lower(), **seen.query()}
        for piece in self._api.log(pod, query):
            texts = [text for line in lines.add(piece) if (text := seen.new(line)) is not None]
            if texts:
                self._put(texts)
            if self._stopped.is_set():
                return

    def _put(self, found: list[bytes] | Exception) -> None:
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._found.put(found, timeout=1)
                return


def _states(pod: Any, state: str) -> list[str]:
    """The reasons of the pod's containers that are in a state: `waiting` or `terminated`."""
    containers = pod["status"].get("containerStatuses", [])
    return [each["state"][state].get("reason", "") for each in containers if state in each.get("state", {})]


def _demand_startable(pod: Any) -> None:
    """Raises HandlerError when the container cannot start without an operator."""
    for reason in _states(pod, "waiting"):
        if reason in CANNOT_START:
            raise HandlerError(f"Kubernetes cannot start this task ({reason}).", can_pass=True)


def _end(pod: Any) -> str:
    """The end of the pod; empty while it runs."""
    status = pod["status"]
    if status.get("phase") in {"Succeeded", "Failed"}:
        reason = status.get("reason") or ", ".join(_states(pod, "terminated")) or status["phase"]
        return f"The pod that ran this attempt has ended ({reason})."
    return "The pod that ran this attempt is being removed." if "deletionTimestamp" in pod["metadata"] else ""
