"""Ports: remembered, chosen anew when taken, and a clear word when a public one is."""

import json
import socket
from contextlib import contextmanager

import pytest

from local_stack import ports
from local_stack.options import StackError


@contextmanager
def listener(family=socket.AF_INET, address="127.0.0.1", port=0):
    with socket.socket(family) as server:
        server.bind((address, port))
        server.listen()
        yield server.getsockname()[1]


def test_ports_are_the_same_at_the_next_start(tmp_path):
    first = ports.choose(tmp_path / "ports.json", ["a", "b"], set())
    assert ports.choose(tmp_path / "ports.json", ["a", "b"], set()) == first
    assert len(set(first.values())) == 2


def test_a_port_that_somebody_else_has_taken_is_chosen_anew(tmp_path):
    file = tmp_path / "ports.json"
    with listener() as taken:
        file.write_text(json.dumps({"a": taken}))
        chosen = ports.choose(file, ["a"], set())
        assert chosen["a"] != taken
    assert json.loads(file.read_text()) == chosen


def test_a_running_part_keeps_the_port_on_which_it_listens(tmp_path):
    file = tmp_path / "ports.json"
    with listener() as taken:
        file.write_text(json.dumps({"a": taken}))
        assert ports.choose(file, ["a"], {"a"}) == {"a": taken}


def test_ports_lie_below_those_of_outgoing_connections(tmp_path):
    names = [str(number) for number in range(20)]
    assert set(ports.choose(tmp_path / "ports.json", names, set()).values()) <= set(ports.CHOICE)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_public_port_is_named_with_the_variable_that_changes_it(address):
    with listener(address=address) as taken, pytest.raises(StackError, match=f"port {taken} is in use.*GATEWAY_PORT="):
        ports.demand(taken, "GATEWAY_PORT")


def test_a_port_that_is_taken_on_ipv6_only_is_taken():
    try:
        with listener(socket.AF_INET6, "::1") as taken, pytest.raises(StackError, match="in use"):
            ports.demand(taken, "IDP_PORT")
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_a_free_port_is_no_trouble():
    with listener() as port:
        pass
    ports.demand(port, "IDP_PORT")
