"""An authorization server, an application and a clock for the tests of the kit."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from stub_issuer import AUDIENCE, NOW, Clock, SigningKey, StubIssuer, b64

from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    """The key that the authorization server signs with."""
    return SigningKey("key-1")


@pytest.fixture(scope="session")
def other_key() -> SigningKey:
    """A key that it does not publish at first."""
    return SigningKey("key-2")


@pytest.fixture
def server(signing_key: SigningKey) -> Iterator[StubIssuer]:
    """A running authorization server."""
    stub = StubIssuer(signing_key)
    yield stub
    stub.close()


@pytest.fixture
def wall_clock() -> Clock:
    """The time of day that verifiers see."""
    return Clock(NOW)


@pytest.fixture
def clock() -> Clock:
    """The monotonic time that issuers see."""
    return Clock(1000.0)


@pytest.fixture
def issuer(server: StubIssuer, clock: Clock) -> Issuer:
    """The authorization server as a service sees it."""
    return Issuer(server.url, clock=clock)


@pytest.fixture
def verifier(issuer: Issuer, wall_clock: Clock) -> Verifier:
    """Verifies the server's tokens."""
    return Verifier(issuer, AUDIENCE, clock=wall_clock)


@pytest.fixture
def ec_jwk() -> dict[str, Any]:
    """The public part of a P-256 key."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (b64(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kid": "ec-1", "kty": "EC", "crv": "P-256", "x": x, "y": y}


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Waits for a condition, at most ten seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.005)

    return wait
