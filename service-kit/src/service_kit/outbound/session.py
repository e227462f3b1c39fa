"""Calls to other servers: pooled connections and the request id; no redirects, cookies or proxies of the environment;
answers of limited size.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from service_kit.process import logs

MAX_ANSWER_BYTES = 1 << 20


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than any valid answer."""


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
        """Prepare the request alone, because the session has neither cookies nor headers to add."""
        return request.prepare()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send once.

        Redirects are returned, not followed. Cookies are not stored: they could belong to another person.
        """
        del kwargs["allow_redirects"]
        answer = self.get_adapter(str(request.url)).send(request, **kwargs)
        if not kwargs["stream"]:
            _ = answer.content  # read to the end, to release the connection
        return answer


def bounded_body(answer: requests.Response, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """The body of an answer to a request with `stream=True`. Raises AnswerTooLargeError above `limit` bytes."""
    body = b""
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > limit:
            answer.close()
            raise AnswerTooLargeError(f"more than {limit} bytes")
    return body
