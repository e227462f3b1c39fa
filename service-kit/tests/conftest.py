"""An authorization server, an application and a clock for the tests of the kit."""

from collections.abc import Iterator

import pytest
from stub_issuer import AUDIENCE, NOW, Clock, SigningKey, StubIssuer

from service_kit.bearer import Verifier
from service_kit.issuer import Issuer


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
