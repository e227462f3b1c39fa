"""Calls to other servers: pooled connections, the request id sent along, no redirects, no cookies, no environment
proxies, bounded answers.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from service_kit.process import logs

MAX_ANSWER_BYTES = 1 << 20


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than anything this service asks for."""


class Session(requests.Session):
    """A `requests.Session` shared by threads; every call must name its timeout (connect, read) in seconds."""

    def __init__(self, pool_size: int = 32) -> None:
        super().__init__()
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=pool_size))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with the current request id as `X-Request-ID`."""
        current = logs.request_id.get()
        if current is not None:
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "X-Request-ID": current}
        return super().request(method, url, *args, **kwargs)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """The request alone: nothing of the session, which has neither cookies nor headers to add."""
        return request.prepare()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send once. A redirect is an answer like any other; a cookie is not kept, it might be another person's."""
        del kwargs["allow_redirects"]
        answer = self.get_adapter(str(request.url)).send(request, **kwargs)
        if not kwargs["stream"]:
            _ = answer.content  # read to the end, so that the connection is free
        return answer


def bounded_body(answer: requests.Response, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """The body of an answer asked for with `stream=True`. Raises AnswerTooLargeError past `limit` bytes."""
    body = b""
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > limit:
            answer.close()
            raise AnswerTooLargeError(f"more than {limit} bytes")
    return body
