"""The executor `kubernetes`, where it is more than the contract: objects, rights, lease, and broken logs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from elsewhere_parts import Elsewhere, HttpVault, http_vault
from kubernetes_parts import NAMESPACE, Cluster, kubernetes_cluster, role

from task_service import config
from task_service.application.errors import HandlerError, LostError
from task_service.application.handler import Stop
from task_service.domain.retry import RetryPolicy
from task_service.executors import kubernetes, kubernetes_objects, registry
from task_service.executors.kubernetes_api import KubernetesApi
from task_service.executors.kubernetes_log import SeenLines
from task_service.executors.order import Order
from task_service.executors.registry import ExecutorSettings

pytestmark = pytest.mark.process
LEASE_SECONDS = 4


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The imitation."""
    with kubernetes_cluster() as cluster:
        yield cluster


@pytest.fixture
def vault() -> Iterator[HttpVault]:
    """Gives tokens by ticket."""
    with http_vault() as answering:
        yield answering


@pytest.fixture
def elsewhere(cluster: Cluster, vault: HttpVault) -> Elsewhere:
    """Runs functions as Jobs."""
    return Elsewhere(cluster.executor(), vault)


@pytest.fixture
def often_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times in a second."""
    monkeypatch.setattr(kubernetes, "EXTEND_SECONDS", 0.3)
    monkeypatch.setattr(kubernetes, "AGAIN_SECONDS", 0.3)


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch, often_extended: None) -> None:
    """Of a few seconds."""
    for module in (kubernetes, kubernetes_objects):
        monkeypatch.setattr(module, "LEASE_SECONDS", LEASE_SECONDS)


def once_logged(elsewhere: Elsewhere, act: Callable[[], object]) -> Callable[[], Stop | None]:
    """Acts once when the log has a line; stops nothing."""
    acted: list[object] = []

    def look() -> Stop | None:
        elsewhere.journal.flush()
        if not acted and elsewhere.log:
            acted.append(act())
        return None

    return look


def order_of(elsewhere: Elsewhere) -> Order:
    """An order as a handler gives it."""
    orders: list[Order] = []

    class Keeps:
        def start(self, order: Order) -> NoReturn:
            orders.append(order)
            raise HandlerError("kept")

    elsewhere.executor = Keeps()
    assert elsewhere.run("sleeps") == "failed"
    return orders[0]


def test_the_job_may_do_nothing_and_the_order_is_in_no_part_of_it(elsewhere: Elsewhere, cluster: Cluster) -> None:
    """A role that may read Jobs and pods finds no ticket. The Secret is deleted with the Job."""
    assert elsewhere.run("steps", count=1) == "completed"
    cluster.expect_valid()
    job, secret = cluster.seen
    pod = job["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["restartPolicy"] == "Never"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}
    assert "tvt_" not in str(job)
    assert secret["data"]["order"] not in str(job)
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Job", job["metadata"]["name"])
    cluster.expect_nothing()


def test_the_worker_s_role_has_exactly_the_rights_that_are_used(
    elsewhere: Elsewhere, cluster: Cluster, often_extended: None
) -> None:
    """The imitation refuses all others."""
    assert elsewhere.run("steps", count=3, seconds=0.4) == "completed"
    assert cluster.used == role()


def test_a_lease_is_extended_as_long_as_the_worker_is_there(
    elsewhere: Elsewhere, cluster: Cluster, often_extended: None
) -> None:
    """The deadline is counted from the Job's beginning."""
    assert elsewhere.run("steps", count=4, seconds=0.6) == "completed"
    assert len(cluster.deadlines) > 2
    assert cluster.deadlines == sorted(cluster.deadlines)
    assert cluster.deadlines[0] > kubernetes_objects.LEASE_SECONDS
    assert cluster.deadlines[-1] > cluster.deadlines[0]


def test_a_lease_that_is_not_extended_ends_the_job(elsewhere: Elsewhere, cluster: Cluster, short_lease: None) -> None:
    """As when the worker was killed; nothing is left."""
    running = cluster.executor().start(order_of(elsewhere))
    cluster.expect_nothing()
    with pytest.raises(LostError):
        list(iter(lambda: running.take(0.1), None))


def test_a_job_that_somebody_deletes_is_a_crash(elsewhere: Elsewhere, cluster: Cluster) -> None:
    """Like the death of its node."""
    assert elsewhere.run("sleeps", once_logged(elsewhere, cluster.jobs.clear)) == "lost"
    assert elsewhere.memory.ended == [("crashed", "")]


def test_an_api_that_goes_away_for_longer_than_the_lease_is_a_loss(
    elsewhere: Elsewhere, cluster: Cluster, short_lease: None
) -> None:
    """Not before."""

    def leave() -> None:
        cluster.away = True

    began = time.monotonic()
    assert elsewhere.run("sleeps", once_logged(elsewhere, leave)) == "lost"
    assert time.monotonic() - began > LEASE_SECONDS
    assert "The Kubernetes API does not answer. Another attempt is queued." in elsewhere.log


def test_a_log_that_breaks_off_is_continued_with_no_line_twice(elsewhere: Elsewhere, cluster: Cluster) -> None:
    """Nor missing, although the API knows seconds only."""
    cluster.cut = 7
    assert elsewhere.run("gives", size=65536) == "completed"
    assert elsewhere.result == "ä" * 32768
    assert cluster.logs > 1
    cluster.logs = 0
    assert elsewhere.run("steps", count=12, seconds=0.01) == "completed"
    assert elsewhere.log == [f"step {number}" for number in range(1, 13)]
    assert cluster.logs > 1


def test_lines_of_the_same_time_are_told_apart_by_their_number_and_a_gap_is_a_loss() -> None:
    """A rotated log may have taken a part of the result."""
    seen = SeenLines()
    assert seen.query() == {"timestamps": "true"}
    at = b"2026-01-02T03:04:05.000000001Z "
    assert [seen.new(at + text) for text in (b"a", b"b")] == [b"a", b"b"]
    assert seen.query() == {"timestamps": "true", "sinceTime": "2026-01-02T03:04:05Z"}
    earlier = at.replace(b"1Z", b"0Z")
    assert [seen.new(line) for line in (earlier + b"x", at + b"a", at + b"b", at + b"c")] == [None, None, None, b"c"]
    assert seen.new(b"the rest of a long line") == b"the rest of a long line"
    seen.query()
    with pytest.raises(LostError, match="rotated"):
        seen.new(at.replace(b"1Z", b"2Z") + b"d")


def test_a_pod_that_cannot_start_fails_with_the_reason(elsewhere: Elsewhere, cluster: Cluster) -> None:
    """Until the image is repaired, the run is retried by its policy."""
    cluster.waiting = "ImagePullBackOff"
    assert elsewhere.run("steps", count=1) == "failed"
    assert elsewhere.result == "Kubernetes cannot start this task (ImagePullBackOff)."
    assert elsewhere.run("steps", retry=RetryPolicy(2, 0.0, 0.0), count=1) == "retrying"
    cluster.expect_nothing()


@pytest.mark.parametrize(("resource", "status", "word"), [("jobs", 403, "retrying"), ("secrets", 422, "failed")])
def test_what_the_api_refuses_fails_and_leaves_nothing(
    elsewhere: Elsewhere, cluster: Cluster, resource: str, status: int, word: str
) -> None:
    """A quota can pass; an object that does not fit cannot."""
    cluster.refuses = {resource: status}
    assert elsewhere.run("steps", retry=RetryPolicy(2, 0.0, 0.0), count=1) == word
    cluster.refuses.clear()
    cluster.expect_nothing()


def test_an_api_that_does_not_answer_can_come_back(elsewhere: Elsewhere, cluster: Cluster) -> None:
    """The run fails, or is retried by its policy."""
    cluster.away = True
    assert elsewhere.run("steps", count=1) == "failed"
    assert elsewhere.result == "The Kubernetes API does not answer."
    assert elsewhere.run("steps", retry=RetryPolicy(2, 0.0, 0.0), count=1) == "retrying"


def test_its_settings_are_checked_at_start(tmp_path: Path) -> None:
    """Namespace, image, quantities, and the account."""
    assert config.quantity("500m") == "500m"
    for wrong in ("", "0", "-1", "1 Gi", "1.5x"):
        with pytest.raises(ValueError, match="quantity"):
            config.quantity(wrong)
    for wrong in ("a/b", "A", "-a", "a" * 64):
        with pytest.raises(ValueError, match="namespace"):
            config.namespace(wrong)
    with pytest.raises(ValueError, match="TASK_KUBERNETES_NAMESPACE and TASK_KUBERNETES_IMAGE"):
        registry.executor_of("kubernetes", ExecutorSettings(kubernetes_namespace=NAMESPACE))
    with pytest.raises(ValueError, match="needs the token of a service account"):
        KubernetesApi("https://kubernetes.default.svc", NAMESPACE, tmp_path)
    (tmp_path / "token").touch()
    with pytest.raises(ValueError, match=r"ca\.crt holds no certificates"):
        KubernetesApi("https://kubernetes.default.svc", NAMESPACE, tmp_path)
