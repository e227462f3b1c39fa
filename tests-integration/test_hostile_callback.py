"""The one route without a token: whatever the browser brings back, it is sent to the page with a known word."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from api import MANAGER, Api
from person import query

CALLBACK = f"{MANAGER}/offline-callback"
HOSTILE = [
    "",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "a" * 3000,
    "%0d%0aSet-Cookie:%20a=b",
    "%0d%0a%0d%0a<script>alert(1)</script>",
    "https://attacker.example/",
    "//attacker.example",
    "' OR 1=1 --",
    "../../etc/passwd",
    "{{7*7}}",
    "%F0%9F%94%90",
]


def landing(nobody: Api, sent: str) -> dict[str, str]:
    """The address to which the callback redirects: the page, with parameters that are ours."""
    answer = nobody.get(f"{CALLBACK}?{sent}")
    assert answer.status_code == 303, answer.text
    target = urlsplit(answer.headers["Location"])
    assert (target.scheme, target.netloc, target.path) == ("", "", "/tasks")
    assert "a" not in answer.cookies
    return dict(parse_qsl(target.query))


@pytest.mark.parametrize("name", ["state", "code", "error", "iss", "session_state", "x"])
def test_callbacks_that_nobody_asked_for(nobody: Api, name: str) -> None:
    """Any value, twice, and beside others: the consent is not known."""
    for value in HOSTILE:
        for sent in (f"{name}={value}", f"{name}={value}&{name}=b", f"state=s&code=c&iss=i&{name}={value}"):
            assert landing(nobody, sent) == {"error": "consent_invalid"}


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:20])
def test_answers_that_the_authorization_server_never_gave(alice: Api, nobody: Api, value: str) -> None:
    """The state is one that Alice was given; code, error and issuer are an attacker's: no token, and no second try."""
    for answer in (f"code={value}&iss={alice.stack['ISSUER']}", f"code=c&iss={value}", f"error={value}"):
        asked = alice.ask_consent()
        sent = f"state={query(asked['consentUrl'])['state']}&{answer}"
        assert set(landing(nobody, sent)) == {"error"}
        token = alice.get(f"{MANAGER}/tokens/{asked['persistentTokenId']}").json()
        assert token["status"] != "active"
        assert landing(nobody, sent)["error"] == "consent_invalid"
