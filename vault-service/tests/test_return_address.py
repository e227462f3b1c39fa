"""Addresses to which a browser may return after a consent that a service has asked for."""

from uuid import UUID

import pytest

from vault_service.domain.return_address import ReturnTo, fault_of, is_listed

LISTED = ("https://hub.example/hub/", "https://hub.example/done", "http://localhost:8000/", "https://[::1]:8443/x")


@pytest.mark.parametrize(
    "address",
    [
        "https://hub.example/hub/",
        "https://hub.example/hub/user/alice/lab?tab=1&next=%2Fa",
        "https://HUB.example/hub/x",
        "https://hub.example:443/hub/x",
        "https://hub.example/done",
        "https://hub.example/done?x=1",
        "http://localhost:8000",
        "http://localhost:8000/a..b/...",
        "https://[::1]:8443/x",
    ],
)
def test_listed_addresses(address: str) -> None:
    """Below an entry that ends with a slash, or exactly another one; with any query."""
    assert fault_of(address) is None
    assert is_listed(address, LISTED)


@pytest.mark.parametrize(
    "address",
    [
        "https://hub.example",
        "https://hub.example/hub",
        "https://hub.example/hubble/",
        "https://hub.example/HUB/x",
        "https://hub.example/done/",
        "https://hub.example/done/more",
        "http://hub.example/hub/x",
        "https://hub.example:8443/hub/x",
        "https://hub.example.attacker.example/hub/",
        "https://attacker.example/hub/",
        "https://hub.example./hub/",
        "http://localhost:80/",
        "http://localhost:80000/",
        "https://[::2]:8443/x",
    ],
)
def test_addresses_that_are_not_listed(address: str) -> None:
    """Another host, port, scheme or path."""
    assert not is_listed(address, LISTED)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/hub/",
        "//hub.example/hub/",
        "hub.example/hub/",
        "javascript:alert(1)",
        "javascript://hub.example/hub/%0aalert(1)",
        "data:text/html,x",
        "ftp://hub.example/hub/",
        "https:hub.example/hub/",
        "https:/hub.example/hub/",
        "https:///hub.example/hub/",
        "https://",
        "https://:443/hub/",
        "https://hub.example@attacker.example/hub/",
        "https://user:pass@hub.example/hub/",
        "https://@hub.example/hub/",
        "https://hub.example\\@attacker.example/hub/",
        "https://attacker.example\\.hub.example/hub/",
        "https:\\\\hub.example\\hub\\",
        "https://hub.example/hub/#x",
        "https://hub.example/hub/../../evil",
        "https://hub.example/hub/.",
        "https://hub.example/hub/%2e%2e/evil",
        "https://hub.example/hub/.%2E/evil",
        "https://hub.example/hub/%2F..",
        "https://hub.example/hub/%5c..",
        "https://hub.example/hub/\tx",
        "https://hub.example/hub/\r\nSet-Cookie: a=b",
        " https://hub.example/hub/",
        "https://hub.example/hub/ ",
        "https://hub.example/hub/\u2028",
        "https://hüb.example/hub/",
        "https://hub.example%2eattacker.example/hub/",
        "https://hub.example:/hub/",
        "https://hub.example:port/hub/",
        "https://[hub.example]/hub/",
        "https://[::1/hub/",
        'https://hub.example/hub/"x',
        "https://hub.example/hub/<x>",
        "https://hub.example/hub/?persistent_token_id=1",
        "https://hub.example/hub/?a=b&outcome=active",
        "https://hub.example/hub/" + "x" * 2000,
    ],
)
def test_addresses_that_parsers_may_read_differently(address: str) -> None:
    """Such addresses are refused, listed or not."""
    assert fault_of(address) is not None
    assert not is_listed(address, (*LISTED, address))


def test_the_outcome_is_added_to_the_address() -> None:
    """The address's own query stays."""
    grant_id = UUID(int=1)
    told = "persistent_token_id=00000000-0000-0000-0000-000000000001&outcome=active"
    assert ReturnTo("hub", "https://hub.example/done", grant_id).with_outcome("active") == (
        f"https://hub.example/done?{told}"
    )
    assert ReturnTo("hub", "https://hub.example/done?a=1", grant_id).with_outcome("active") == (
        f"https://hub.example/done?a=1&{told}"
    )
