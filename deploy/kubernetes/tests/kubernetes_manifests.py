"""The manifests as kustomize builds them, and ways to look at them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[1]
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
BUILD_SECONDS = 600
OVERLAYS = ("cloudnative-pg", "managed")
NAME = "app.kubernetes.io/name"

Object = dict[str, Any]


@cache
def builder() -> tuple[str, ...]:
    """The command that builds a folder. Skips the test, with its reason, where there is none."""
    if shutil.which("kustomize"):
        return ("kustomize", "build")
    if shutil.which("kubectl"):
        return ("kubectl", "kustomize")
    if shutil.which("go"):
        return ("go", "run", KUSTOMIZE, "build")
    pytest.skip("needs kustomize, kubectl or Go")


@cache
def build(folder: Path) -> tuple[Object, ...]:
    """All objects of a kustomization."""
    done = subprocess.run(
        [*builder(), str(folder)],
        env={**os.environ, "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def deployment(overlay: str) -> tuple[Object, ...]:
    """All that an overlay puts into the cluster, its migrations too."""
    return build(FOLDER / "overlays" / overlay) + migrations(overlay, "after")


def migrations(overlay: str, stage: str) -> tuple[Object, ...]:
    """The Jobs that run before a roll-out, or after it."""
    return build(FOLDER / "overlays" / overlay / "migrations" / stage)


def with_metrics(tmp_path: Path) -> tuple[Object, ...]:
    """The base with the optional component."""
    return _changed(tmp_path, "base", components=[f"{os.path.relpath(FOLDER, tmp_path)}/components/metrics"])


def with_executor(tmp_path: Path) -> tuple[Object, ...]:
    """The base with the worker that makes Jobs, and the namespace of these."""
    component = f"{os.path.relpath(FOLDER, tmp_path)}/components/kubernetes-executor"
    made = _changed(tmp_path, "base", components=[component], namespace="offline-token-vault")
    return made + build(FOLDER / "attempts")


def as_the_readme_patches(tmp_path: Path, overlay: str) -> tuple[Object, ...]:
    """An overlay with the README's example of patches."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```", (FOLDER / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return _changed(tmp_path, f"overlays/{overlay}", **yaml.safe_load(example))


def _changed(tmp_path: Path, folder: str, **more: object) -> tuple[Object, ...]:
    kustomization = {"resources": [f"{os.path.relpath(FOLDER, tmp_path)}/{folder}"], **more}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return build(tmp_path)


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    """The objects of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The one with that name."""
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def workloads(objects: tuple[Object, ...]) -> list[Object]:
    """Whatever makes pods of ours."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def pod(workload: Object) -> Object:
    """The pod's specification."""
    return dict(workload["spec"]["template"]["spec"])


def labels(workload: Object) -> dict[str, str]:
    """The pod's labels."""
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def containers(workload: Object) -> list[Object]:
    """All its containers."""
    return [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]


def secrets_read(workload: Object) -> Iterator[tuple[str, int]]:
    """Name and file mode of each Secret that a pod mounts."""
    for volume in pod(workload)["volumes"]:
        if "secret" in volume:
            yield volume["secret"]["secretName"], volume["secret"]["defaultMode"]
        for source in volume.get("projected", {}).get("sources", []):
            yield source["secret"]["name"], volume["projected"]["defaultMode"]
