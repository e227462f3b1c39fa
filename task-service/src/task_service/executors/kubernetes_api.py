"""The part of Kubernetes' API that the executor `kubernetes` uses, with the service account of this pod."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests
import urllib3

from service_kit.outbound.session import Egress, Session, readable_ca_bundle

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts `token` and `ca.crt`."""
TIMEOUT = (2.0, 5.0)
SILENT_SECONDS = 30.0
"""How long a log may be silent; then the caller asks again."""
READ_BYTES = 65536
NOT_FOUND = 404
CONTENT_TYPES = {"POST": "application/json", "PATCH": "application/merge-patch+json"}


class KubernetesError(Exception):
    """The API does not answer (status None), or refuses a request. The text can be shown to an owner."""

    def __init__(self, status: int | None = None, reason: str = "") -> None:
        words = "The Kubernetes API does not answer."
        super().__init__(words if status is None else f"Kubernetes has refused this task ({status} {reason}).")
        self.status = status

    @property
    def can_pass(self) -> bool:
        """False when the same request would be refused again."""
        return self.status not in {400, 422}


class KubernetesApi:
    """Calls about objects of one namespace. Safe to share between threads."""

    def __init__(self, url: str, namespace: str, account: Path = ACCOUNT) -> None:
        """account: folder with `token` and, for https, `ca.crt`. Raises ValueError when they are missing."""
        self._url = url
        self._namespace = namespace
        self._token = account / "token"
        if not self._token.is_file():
            raise ValueError(f"`kubernetes` needs the token of a service account, {self._token}")
        bundle = readable_ca_bundle(account / "ca.crt") if url.startswith("https:") else None
        self._session = Session(pool_size=64, egress=Egress(bundle))

    def call(self, method: str, group: str, path: str, body: object = None, **query: str) -> Any:
        """One request and its answer as JSON.

        group: `api/v1` or `apis/batch/v1`; path: below the namespace. Raises KubernetesError.
        """
        answer = self._answer(method, group, path, query, body)
        try:
            return answer.json()
        except requests.JSONDecodeError:
            raise KubernetesError from None

    def log(self, pod: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """The log of a pod in pieces, as they come; ends after a silence of SILENT_SECONDS. Raises KubernetesError."""
        answer = self._answer("GET", "api/v1", f"pods/{pod}/log", query, stream=True)
        try:
            while piece := answer.raw.read1(READ_BYTES):
                yield piece
        except (urllib3.exceptions.HTTPError, OSError):  # the caller asks for the rest
            return
        finally:
            answer.close()

    def _answer(
        self,
        method: str,
        group: str,
        path: str,
        query: Mapping[str, str],
        body: object = None,
        stream: bool = False,
    ) -> requests.Response:
        try:
            headers = {"Authorization": f"Bearer {self._token.read_text().strip()}", "Accept-Encoding": "identity"}
            if body is not None:
                headers["Content-Type"] = CONTENT_TYPES[method]
            answer = self._session.request(
                method,
                f"{self._url}/{group}/namespaces/{self._namespace}/{path}",
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                timeout=(TIMEOUT[0], SILENT_SECONDS) if stream else TIMEOUT,
                stream=stream,
            )
        except (requests.RequestException, OSError):
            raise KubernetesError from None
        if not answer.ok:
            answer.close()
            raise KubernetesError(answer.status_code, answer.reason)
        return answer
