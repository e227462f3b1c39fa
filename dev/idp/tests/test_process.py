"""The real process: it starts, refuses, keeps its state, ends cleanly, and does what needs a connection."""

import random
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests

pytestmark = pytest.mark.process

START_SECONDS = 20


def free_port():
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def serving(rendered, port, *options):
    """The server in a process of its own; stopped by SIGTERM, which has to end it with status 0."""
    command = [sys.executable, "-m", "dev_idp", "--realm-file", str(rendered), "--port", str(port)]
    command += ["--state-dir", str(rendered.parent / "state"), *options]
    process = subprocess.Popen(command)
    try:
        wait_until_ready(process, port)
        yield f"http://localhost:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) == 0


def wait_until_ready(process, port):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            requests.get(f"http://localhost:{port}/health/ready", timeout=5).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the server did not start")


def refused(*options):
    done = subprocess.run(
        [sys.executable, "-m", "dev_idp", *options], capture_output=True, text=True, timeout=20, check=False
    )
    return done.returncode, done.stderr


def token_request(origin, **form):
    address = f"{origin}/realms/demo/protocol/openid-connect/token"
    return requests.post(address, data={"client_id": "dev-cli", **form}, timeout=10)


def offline_token(origin):
    form = {"username": "alice", "password": "alice", "scope": "openid offline_access"}
    return token_request(origin, grant_type="password", **form).json()["refresh_token"]


def refresh(origin, token):
    return token_request(origin, grant_type="refresh_token", refresh_token=token)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])
def test_it_listens_on_loopback_only(rendered, tmp_path, host):
    options = ["--realm-file", str(rendered), "--state-dir", str(tmp_path), "--port", "29999", "--host", host]
    code, told = refused(*options)
    assert (code, told) == (78, f"dev_idp: {host} is not a loopback address; this server is for development only\n")


def test_a_useless_realm_file_is_one_clear_line(tmp_path):
    code, told = refused("--realm-file", str(tmp_path / "none"), "--state-dir", str(tmp_path), "--port", "29999")
    assert (code, told) == (78, f"dev_idp: cannot read {tmp_path / 'none'}: No such file or directory\n")


def test_keys_logins_and_grants_outlive_a_restart(rendered):
    port = free_port()
    with serving(rendered, port) as origin:
        token = offline_token(origin)
        keys = requests.get(f"{origin}/realms/demo/protocol/openid-connect/certs", timeout=10).json()
    with serving(rendered, port) as origin:
        assert requests.get(f"{origin}/realms/demo/protocol/openid-connect/certs", timeout=10).json() == keys
        assert refresh(origin, token).status_code == 200


def test_the_database_is_its_owners_only(rendered):
    with serving(rendered, free_port()):
        database = rendered.parent / "state" / "idp.sqlite"
        assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_request_that_runs_is_answered_before_the_end(rendered):
    with ThreadPoolExecutor(1) as beside, serving(rendered, free_port(), "--control") as origin:
        token = offline_token(origin)
        requests.put(f"{origin}/_control/faults", json=[{"endpoint": "token", "hold": 1}], timeout=5)
        answer = beside.submit(refresh, origin, token)
        while not requests.get(f"{origin}/_control/requests", timeout=5).json():
            time.sleep(0.02)
    assert answer.result().status_code == 200


@pytest.mark.parametrize("trouble", ["drop", "half"])
def test_an_answer_can_be_lost_after_the_token_was_spent(rendered, trouble):
    with serving(rendered, free_port(), "--control") as origin:
        token = offline_token(origin)
        requests.put(f"{origin}/_control/settings", json={"refreshTokenMaxReuse": 0}, timeout=5)
        fault = {"endpoint": "token", "grantType": "refresh_token", "times": 1, trouble: True}
        requests.put(f"{origin}/_control/faults", json=[fault], timeout=5)
        with pytest.raises(requests.RequestException):
            refresh(origin, token)
        answer = refresh(origin, token)
        assert answer.json()["error_description"] == "Maximum allowed refresh token reuse exceeded"


def test_a_pushed_not_before_divides_earlier_from_later_tokens(rendered):
    with serving(rendered, free_port(), "--control") as origin:
        earlier = offline_token(origin)
        requests.post(f"{origin}/_control/not-before", timeout=5).raise_for_status()
        assert refresh(origin, earlier).json()["error_description"] == "Stale token"
        assert refresh(origin, offline_token(origin)).status_code == 200
