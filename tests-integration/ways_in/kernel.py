"""Runs cells in a kernel of a hub: `kernel.py URL` reads cells from stdin, one JSON string a line.

Each cell is answered by `{"printed": …}` for what it prints, and at its end by `{"text": …, "error": …}`. The program
runs in the environment of the integrations, which has a WebSocket client. The hub token comes in `HUB_TEST_TOKEN`.
"""

import asyncio
import json
import os
import sys
import uuid
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

CELL_SECONDS = 60.0


async def main(url: str) -> None:
    """url: the kernel's channels."""
    request = HTTPRequest(url, headers={"Authorization": f"token {os.environ['HUB_TEST_TOKEN']}"})
    connection = await websocket_connect(request)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        done = await asyncio.wait_for(run(connection, json.loads(line)), CELL_SECONDS)
        tell(done)


def tell(what: dict[str, str]) -> None:
    """Write one line to stdout."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def run(connection: WebSocketClientConnection, code: str) -> dict[str, str]:
    """Run one cell; its output, and its error's name and text."""
    asked = uuid.uuid4().hex
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": "test", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "content": content}
    await connection.write_message(json.dumps(message))
    text, error = "", ""
    while True:
        got = await connection.read_message()
        if got is None:
            raise ConnectionError("the kernel's connection is closed")
        answer: dict[str, Any] = json.loads(got)
        if answer.get("parent_header", {}).get("msg_id") != asked:
            continue
        kind, body = answer["msg_type"], answer["content"]
        if kind == "stream":
            text += body["text"]
            tell({"printed": body["text"]})
        elif kind == "error":
            error = f"{body['ename']}: {body['evalue']}"
        elif kind == "status" and body["execution_state"] == "idle":
            return {"text": text, "error": error}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
