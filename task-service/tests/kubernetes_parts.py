"""An imitation of Kubernetes' API, because no cluster runs in tests.

It checks objects by the API's schemas, and the rights of the worker's account. It runs the command of a Job as a
process with the environment that the pod would have, except its file system.
"""

import base64
import copy
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import kubernetes_validate
import yaml
from elsewhere_parts import PROGRAM

from task_service.executors.child import kill_below
from task_service.executors.kubernetes import KubernetesExecutor
from task_service.executors.kubernetes_api import KubernetesApi
from task_service.executors.kubernetes_objects import PodSettings

Object = dict[str, Any]
VERSIONS = ("1.30", "1.37")
NAMESPACE, TOKEN = "attempts", "the-account-s-token"
MANIFESTS = Path(__file__).resolve().parents[2] / "deploy/kubernetes/attempts/attempts.yaml"


@cache
def role() -> set[tuple[str, str]]:
    """Verb and resource of each right that the manifests give to the worker."""
    objects = yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8"))
    (rules,) = [each["rules"] for each in objects if each["kind"] == "Role"]
    return {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}


class ImitatedPod:
    """A pod and its one process."""

    def __init__(self, job: Object) -> None:
        self.name = f"{job['metadata']['name']}-{uuid4().hex[:5]}"
        self.phase, self.reason, self.waiting = "Pending", "", ""
        self.log: list[tuple[str, bytes]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._spec = job["spec"]["template"]["spec"]

    @property
    def ended(self) -> bool:
        """True when there will be no more lines."""
        return self.phase in {"Succeeded", "Failed"}

    def shown(self) -> Object:
        """As the API has it."""
        state: Object = {"waiting": {"reason": self.waiting}} if self.waiting else {}
        if self.ended:
            state = {"terminated": {"reason": self.reason}}
        return {
            "metadata": {"name": self.name},
            "status": {"phase": self.phase, "containerStatuses": [{"state": state}]},
        }

    def run(self, secret: Object, folder: str) -> None:
        """Run its container to the end."""
        (container,) = self._spec["containers"]
        places = {mount["mountPath"]: f"{folder}/{mount['name']}" for mount in container["volumeMounts"]}
        for place in places.values():
            Path(place).mkdir()
        for name, content in secret["data"].items():
            (Path(folder) / "order" / name).write_bytes(base64.b64decode(content))

        def inside(text: str) -> str:
            for path, place in places.items():
                if text == path or text.startswith(f"{path}/"):
                    return place + text.removeprefix(path)
            return text

        self.process = subprocess.Popen(
            [inside(word) for word in container["command"]],
            env={"PATH": os.environ["PATH"], **{each["name"]: inside(each["value"]) for each in container["env"]}},
            cwd=inside(container["workingDir"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.phase = "Running"
        reader = threading.Thread(target=self._keep, args=(self.process,))
        reader.start()
        status = self.process.wait()
        self._kill()
        reader.join()
        self.reason = "Completed" if status == 0 else "Error"
        self.phase = "Succeeded" if status == 0 else "Failed"

    def _keep(self, process: "subprocess.Popen[bytes]") -> None:
        with cast(IO[bytes], process.stdout) as output:
            for line in output:
                self.log.append((datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"), line.rstrip(b"\n")))

    def end(self) -> None:
        """SIGTERM, and SIGKILL at the end of its grace period."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(self._spec["terminationGracePeriodSeconds"])
            self._kill()

    def _kill(self) -> None:
        """What is left in a pod ends with its first process."""
        if self.process is not None:
            kill_below(self.process.pid)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Cluster:
    """url: of the API; used: rights; cut: lines after which it ends the first answer with
    a log, as many more in each other; waiting: why pods wait;
    refuses: status by which it refuses a kind of object; away: it does not answer; deadlines: of Jobs that were
    extended."""

    def __init__(self, url: str, account: Path) -> None:
        self.url, self.account = url, account
        self.jobs: dict[str, Object] = {}
        self.secrets: dict[str, Object] = {}
        self.pods: dict[str, ImitatedPod] = {}
        self.used: set[tuple[str, str]] = set()
        self.seen: list[Object] = []
        self.cut, self.waiting, self.away = 0, "", False
        self.refuses: dict[str, int] = {}
        self.logs = 0
        self.deadlines: list[int] = []

    def executor(self) -> KubernetesExecutor:
        """That has its Jobs run here."""
        api = KubernetesApi(self.url, NAMESPACE, self.account)
        return KubernetesExecutor(api, PodSettings(image="tasks:1"), PROGRAM)

    def expect_nothing(self) -> None:
        """Raises AssertionError when there is something left of an attempt after twenty seconds."""
        deadline = time.monotonic() + 20
        while (self.jobs or self.secrets or self.pods) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (self.jobs, self.secrets, self.pods) == ({}, {}, {})

    def expect_valid(self) -> None:
        """Raises ValidationError when an object that was made does not fit the API's schemas."""
        for version, made in itertools.product(VERSIONS, self.seen):
            kubernetes_validate.validate(made, version, strict=True)

    def create(self, resource: str, made: Object) -> Object:
        """A Job or a Secret."""
        self.seen.append(copy.deepcopy(made))
        made["metadata"]["uid"] = str(uuid4())
        name = made["metadata"]["name"]
        (self.jobs if resource == "jobs" else self.secrets)[name] = made
        if resource == "jobs":
            threading.Thread(target=self._control, args=(made,), daemon=True).start()
        return made

    def _control(self, job: Object) -> None:
        """Acts as the controllers and the kubelet: the Job's pod, its Secret, its deadline, and owned objects."""
        name, began = job["metadata"]["name"], time.monotonic()
        pod = self.pods[name] = ImitatedPod(job)
        pod.waiting = self.waiting
        volume = job["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"]

        def wanted() -> bool:
            return name in self.jobs and time.monotonic() - began < job["spec"]["activeDeadlineSeconds"]

        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            while wanted() and (volume not in self.secrets or pod.waiting):
                time.sleep(0.02)
            runner = threading.Thread(target=lambda: pod.run(self.secrets[volume], folder))
            if wanted():
                runner.start()
                while runner.is_alive():
                    if not wanted():
                        pod.end()
                    time.sleep(0.02)
            if pod.ended:  # it can be looked at until the Job is deleted, or its time after the end is over
                while wanted():
                    time.sleep(0.02)
        self.jobs.pop(name, None)
        owners = {key: each["metadata"]["ownerReferences"][0]["uid"] for key, each in self.secrets.items()}
        for key in [key for key, uid in owners.items() if uid == job["metadata"]["uid"]]:
            del self.secrets[key]
        del self.pods[name]

    def of_job(self, selector: str) -> list[Object]:
        """The pods that a selector finds."""
        key, _, name = selector.partition("=")
        assert key == "batch.kubernetes.io/job-name"
        return [self.pods[name].shown()] if name in self.pods else []

    def lines(self, pod: ImitatedPod, query: dict[str, str]) -> Iterator[bytes]:
        """The pod's log with time stamps."""
        self.logs += 1
        given = number = 0
        while not self.away:
            ended = pod.ended
            while number < len(pod.log):
                stamp, line = pod.log[number]
                number += 1
                if stamp[:19] < query.get("sinceTime", "")[:19]:
                    continue
                yield stamp.encode() + b" " + line + b"\n"
                given += 1
                if given == self.cut * self.logs and query["follow"] == "true":
                    return
            if ended or query["follow"] != "true":
                return
            time.sleep(0.02)


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class HttpHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            group, _, rest = parts.path.lstrip("/").partition(f"/namespaces/{NAMESPACE}/")
            resource, _, name = rest.partition("/")
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if cluster.away:
                self.close_connection = True
                return
            verb = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "GET": "get" if name else "list"}
            right = (verb[self.command], "pods/log" if name.endswith("/log") else resource)
            cluster.used.add(right)
            assert group == ("apis/batch/v1" if resource == "jobs" else "api/v1")
            if self.headers["Authorization"] != f"Bearer {TOKEN}" or right not in role():
                self._reply(403, {})
            elif resource in cluster.refuses:
                self._reply(cluster.refuses[resource], {})
            else:
                self._serve(right, name, query, json.loads(body or b"{}"))

        def _serve(self, right: tuple[str, str], name: str, query: dict[str, str], body: Object) -> None:
            match right:
                case ("create", resource):
                    self._reply(201, cluster.create(resource, body))
                case ("list", "pods"):
                    self._reply(200, {"items": cluster.of_job(query["labelSelector"])})
                case ("get", "pods/log"):
                    self._log([pod for pod in cluster.pods.values() if pod.name == name.removesuffix("/log")], query)
                case (_, "jobs") if name not in cluster.jobs:
                    self._reply(404, {})
                case ("delete", "jobs"):
                    assert query == {"propagationPolicy": "Background"}
                    self._reply(200, cluster.jobs.pop(name))
                case ("patch", "jobs"):
                    assert self.headers["Content-Type"] == "application/merge-patch+json"
                    cluster.jobs[name]["spec"].update(body["spec"])
                    cluster.deadlines.append(body["spec"]["activeDeadlineSeconds"])
                    self._reply(200, cluster.jobs[name])

        def _log(self, pods: list[ImitatedPod], query: dict[str, str]) -> None:
            if not pods:
                self._reply(404, {})
                return
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with suppress(OSError):
                for line in cluster.lines(pods[0], query):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")

        def _reply(self, status: int, content: Object) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return HttpHandler


@contextmanager
def kubernetes_cluster() -> Iterator[Cluster]:
    """Runs while the block does."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "token").write_text(f"{TOKEN}\n", encoding="utf-8")
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        cluster = Cluster(f"http://127.0.0.1:{server.server_port}", Path(folder))
        server.RequestHandlerClass = _handler(cluster)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield cluster
        finally:
            for name in list(cluster.jobs):
                cluster.jobs.pop(name, None)
            cluster.expect_nothing()
            server.shutdown()
            thread.join()
            server.server_close()
