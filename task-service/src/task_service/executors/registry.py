"""Which executors there are, and which one runs a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from task_service.executors import sandbox
from task_service.executors.base import Executor
from task_service.executors.dask import DaskExecutor
from task_service.executors.kubernetes import KubernetesExecutor
from task_service.executors.kubernetes_api import KubernetesApi
from task_service.executors.kubernetes_objects import PodSettings
from task_service.executors.process import ProcessExecutor
from task_service.executors.slurm import SlurmExecutor
from task_service.kinds.base import Kind

LOCAL = "local"
"""Runs attempts in the worker."""
PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """The settings of executors. sandboxed: True to run programs on this machine in a sandbox."""

    sandboxed: bool = True
    dask_address: str | None = None
    slurm_folder: Path | None = None
    slurm_options: Mapping[str, str | int] = field(default_factory=dict)
    kubernetes_url: str = "https://kubernetes.default.svc"
    kubernetes_namespace: str | None = None
    pods: PodSettings | None = None


def _process(settings: ExecutorSettings) -> Executor:
    if settings.sandboxed and sandbox.version() == 0:
        raise ValueError("this kernel has no Landlock; TASK_SANDBOX=off runs code that can read the worker's files")
    return ProcessExecutor()


def _dask(settings: ExecutorSettings) -> Executor:
    if settings.dask_address is None:
        raise ValueError("`dask` needs TASK_DASK_ADDRESS, the address of a scheduler")
    return DaskExecutor(settings.dask_address)


def _slurm(settings: ExecutorSettings) -> Executor:
    if settings.slurm_folder is None:
        raise ValueError("`slurm` needs TASK_SLURM_FOLDER, a folder that all nodes share")
    return SlurmExecutor(settings.slurm_folder, settings.slurm_options)


def _kubernetes(settings: ExecutorSettings) -> Executor:
    if settings.kubernetes_namespace is None or settings.pods is None:
        raise ValueError("`kubernetes` needs TASK_KUBERNETES_NAMESPACE and TASK_KUBERNETES_IMAGE")
    return KubernetesExecutor(KubernetesApi(settings.kubernetes_url, settings.kubernetes_namespace), settings.pods)


_EXECUTORS: Mapping[str, Callable[[ExecutorSettings], Executor]] = {
    PROCESS: _process,
    "dask": _dask,
    "slurm": _slurm,
    "kubernetes": _kubernetes,
}


def executors_by_kind(kinds: Mapping[str, Kind[Any]], wanted: Mapping[str, str]) -> Mapping[str, str]:
    """The executor of each kind. wanted: by kind, that of the configuration. Raises ValueError."""
    known = {LOCAL, *_EXECUTORS}
    for kind, executor in wanted.items():
        if executor not in known:
            raise ValueError(f"there is no executor {executor!r}; there are {', '.join(sorted(known))}")
        if kind not in kinds:
            raise ValueError(f"there is no kind {kind!r}; this installation offers {', '.join(sorted(kinds))}")
        if executor == LOCAL and not kinds[kind].trusted:
            raise ValueError(f"{kind!r} runs code that is not the service's; it cannot run in the worker (`local`)")
    return {name: wanted.get(name, LOCAL if kind.trusted else PROCESS) for name, kind in kinds.items()}


def executor_of(name: str, settings: ExecutorSettings) -> Executor:
    """An executor. Raises ValueError when it cannot be used here."""
    return _EXECUTORS[name](settings)
