"""`python -m local_stack run|start|stop|clean|status|token`: the commands of the Makefile."""

import argparse
import os
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

import requests

from local_stack import environments, options
from local_stack.options import Options, StackError, read_env_file
from local_stack.progress import ProgressLine
from local_stack.stack import LocalStack

WATCH_SECONDS = 0.5


def main() -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="local_stack", description=__doc__)
    parser.add_argument("command", choices=["run", "start", "stop", "clean", "status", "token"])
    parser.add_argument("who", nargs="?", default="alice", help="for `token`: whose")
    arguments = parser.parse_args()
    environments.forget_libpq()
    _keep_loopback_from_proxies()
    try:
        chosen = options.read()
        if arguments.command == "token":
            return _token(chosen, arguments.who)
        stack = LocalStack(chosen, dict(os.environ), ProgressLine(sys.stdout))
        return {"run": _run, "start": _start, "stop": _stop, "clean": _clean, "status": _status}[arguments.command](
            stack, chosen
        )
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _start(stack: LocalStack, chosen: Options) -> int:
    started = time.monotonic()
    if not stack.start():
        print(f"already up: {chosen.gateway_url}/tasks")
        return 0
    print(f"ready after {time.monotonic() - started:.1f} s: {chosen.gateway_url}/tasks  (alice/alice, bob/bob)")
    return 0


def _run(stack: LocalStack, chosen: Options) -> int:
    """Start, and stay in the foreground until Ctrl-C (or SIGTERM, or the terminal is closed)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, _interrupt
        )  # SIGINT too: a shell without job control starts this process with SIGINT ignored
    try:
        _start(stack, chosen)
        print("Ctrl-C stops it.", flush=True)
        _watch(stack)
    except KeyboardInterrupt:
        print("\nstopping …", flush=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave parts running
        stack.stop()
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _watch(stack: LocalStack) -> None:
    """Report each part that dies, until all have ended.

    A part that a command stops has no pid file and is not reported.
    """
    seen: set[str] = set()
    told: set[str] = set()
    while any(stack.alive().values()):
        time.sleep(WATCH_SECONDS)
        dead = {name for name in stack.names() if stack.processes.has_died(name)}
        for name in (
            dead & seen
        ) - told:  # seen twice: a command that stops the part would have removed the file by now
            print(f"\n{name} has died; `make start` in another terminal brings it back. Its last lines:", flush=True)
            print(stack.processes.last_lines(name), flush=True)
        seen, told = dead, dead & (seen | told)


def _keep_loopback_from_proxies() -> None:
    """Exclude this machine from the environment's proxies, for this process and for the parts."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", "127.0.0.1")))


def _stop(stack: LocalStack, _chosen: Options) -> int:
    stopped = stack.stop()
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def _clean(stack: LocalStack, chosen: Options) -> int:
    stack.clean()
    print(f"forgot everything in {chosen.state_dir}")
    return 0


def _status(stack: LocalStack, _chosen: Options) -> int:
    alive = stack.alive()
    for name, is_alive in alive.items():
        print(f"{name:<10}{'up' if is_alive else 'down'}")
    return 0 if all(alive.values()) else 1


def _token(chosen: Options, who: str) -> int:
    """Print one bearer token of a development user and nothing else."""
    issuer = read_env_file(chosen.stack_env).get("ISSUER")
    if issuer is None:
        raise StackError("the stack is not there: `make start` first")
    form = {"grant_type": "password", "client_id": "dev-cli", "username": who, "password": who, "scope": "openid"}
    try:
        answer = requests.post(f"{issuer.rstrip('/')}/protocol/openid-connect/token", data=form, timeout=10)
    except requests.RequestException:
        raise StackError(f"the authorization server does not answer at {issuer}: `make start` first") from None
    if answer.status_code != requests.codes.ok:
        raise StackError(f"no token for {who}: {answer.text[:200]}")
    print(answer.json()["access_token"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
