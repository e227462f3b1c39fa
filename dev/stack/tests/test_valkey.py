"""Valkey as a part: behind a password, on loopback, without a trace on the disk."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local_stack import ports, valkey

pytestmark = pytest.mark.redis


@pytest.fixture
def port(tmp_path, processes):
    port = ports.choose(tmp_path / "ports.json", ["redis"], set())["redis"]
    (tmp_path / "a redis").mkdir()
    part = valkey.part(tmp_path / "a redis", port, "secret")
    processes.start(part)
    processes.wait_ready(part)
    return port


def test_it_serves_who_knows_the_password(port):
    with redis.Redis(port=port, password="secret", protocol=2) as client:
        client.set("name", "value", ex=10)
        assert client.get("name") == b"value"


def test_it_refuses_who_does_not(port):
    once = Retry(NoBackoff(), 0)
    with redis.Redis(port=port, protocol=2, retry=once) as client, pytest.raises(redis.AuthenticationError):
        client.get("name")


def test_it_writes_nothing_down(port, tmp_path, processes):
    with redis.Redis(port=port, password="secret", protocol=2) as client:
        client.set("name", "value")
    processes.stop("redis")
    assert [path.name for path in (tmp_path / "a redis").iterdir()] == ["valkey.conf"]


def test_the_password_is_not_on_its_command_line(port, processes, tmp_path):
    part = valkey.part(tmp_path / "a redis", port, "secret")
    assert "secret" not in " ".join(part.command)
