"""Bodies of bounded size: on the wire, and after they were decompressed."""

import zlib
from collections.abc import Iterator

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError

_CHUNK_BYTES = 65536
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})


class BodyTooLargeError(HTTPError):
    """The answer is larger than any valid answer."""


def read_body(answer: BaseHTTPResponse, limit: int) -> bytes:
    """The decompressed body of an answer of which nothing was read; its connection is released.

    Raises BodyTooLargeError above `limit` bytes, compressed or not, DecodeError, other HTTPErrors of urllib3, and
    OSError. The caller must close the answer then.
    """
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", *_COMPRESSED}:
        raise DecodeError(f"{encoding} was not asked for")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in _COMPRESSED else None
    body, received = b"", 0
    for chunk in _chunks(answer):
        received += len(chunk)
        try:
            body += chunk if decoder is None else decoder.decompress(chunk, limit + 1 - len(body))
        except zlib.error as error:
            raise DecodeError(str(error)) from error
        if max(len(body), received) > limit:
            raise BodyTooLargeError(f"more than {limit} bytes")
    if decoder is not None and received and not decoder.eof:
        raise DecodeError("the compressed body ends early")
    return body


def _chunks(answer: BaseHTTPResponse) -> Iterator[bytes]:
    """The body as it was sent."""
    try:
        yield from answer.stream(_CHUNK_BYTES, decode_content=False)
    except ValueError as error:  # the connection was cut under the reader
        raise ProtocolError(str(error)) from error
