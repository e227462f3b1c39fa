"""Authentication of the vault at a server: the request that arrives, and its verification."""

import base64
import json
import time
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from stand_in_server import StandIn, stand_in
from test_answer_shapes import GOOD, OLD

from service_kit.tokens import signatures
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.signatures import ClientKey
from vault_service.adapters.provider.accounts import IdTokenAccounts
from vault_service.adapters.provider.authorization_server import AuthorizationServer, ClientRegistration
from vault_service.adapters.provider.client_authentication import (
    ClientAuthentication,
    PostedSecret,
    PrivateKeyJwtAuthentication,
    PublicClient,
)
from vault_service.adapters.provider.endpoints import Addresses, ConfiguredEndpoints
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint

PRIVATE = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "PS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A server that grants tokens to every client; tests read the requests that it got."""
    with stand_in() as running:
        running.says(200, GOOD)
        running.says(200, path="/revocation")
        yield running


def client_of(server: StandIn, authentication: ClientAuthentication) -> AuthorizationServer:
    """The vault's client at that server."""
    addresses = Addresses(
        authorization=f"{server.url}/auth", token=f"{server.url}/token", revocation=f"{server.url}/revocation"
    )
    return AuthorizationServer(
        ClientRegistration(name="test", issuer=server.url, client_id="vault", redirect_uri="https://v.example/cb"),
        ConfiguredEndpoints(addresses),
        TokenEndpoint(LimitedSession(), authentication),
        IdTokenAccounts(Issuer(server.url), "vault", None, 60),
    )


def sent(server: StandIn, authentication: ClientAuthentication) -> list[dict[str, str]]:
    """The forms of a refresh and a revocation, without what is theirs. Nothing is in a header."""
    client = client_of(server, authentication)
    client.refresh(OLD, None, monotonic())
    client.revoke(OLD)
    assert server.authorizations == [None, None]
    own = {"grant_type", "refresh_token", "token", "token_type_hint"}
    return [{name: value for name, value in form.items() if name not in own} for form in server.forms]


def test_a_posted_secret_is_in_the_form_alone(server: StandIn) -> None:
    """As it is: the form's own encoding is the only one (RFC 6749 section 2.3.1)."""
    secret = "s:3/c r+e%t&ü"
    assert sent(server, PostedSecret("vault", secret)) == [{"client_id": "vault", "client_secret": secret}] * 2


def test_a_public_client_sends_its_name_only(server: StandIn) -> None:
    """RFC 6749 section 3.2.1."""
    assert sent(server, PublicClient("vault")) == [{"client_id": "vault"}] * 2


def opened(assertion: str, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, after the signature was verified as a server does it, with the public key alone."""
    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in assertion.split("."))
    signed = assertion.rpartition(".")[0].encode()
    assert signatures.is_valid(algorithm, PRIVATE[algorithm].public_key(), signed, signature)
    assert not signatures.is_valid(algorithm, PRIVATE[algorithm].public_key(), signed + b"x", signature)
    return json.loads(header), json.loads(claims)


@pytest.mark.parametrize("algorithm", list(PRIVATE))
def test_each_request_has_an_assertion_of_its_own(server: StandIn, algorithm: str) -> None:
    """RFC 7523 sections 2.2 and 3: for this endpoint, by and about this client, short-lived, used once."""
    pem = PRIVATE[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ClientKey.of_pem(pem, algorithm, "key-7")
    begun = time.time()
    forms = sent(server, PrivateKeyJwtAuthentication("vault", key, None, time.time))
    seen = set()
    for form, path in zip(forms, ("token", "revocation"), strict=True):
        header, claims = opened(form.pop("client_assertion"), algorithm)
        assert form == {
            "client_id": "vault",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        assert header == {"alg": algorithm, "typ": "JWT", "kid": "key-7"}
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("vault", "vault", f"{server.url}/{path}")
        assert begun - 1 <= claims["iat"] <= time.time()
        assert claims["exp"] == claims["iat"] + 60
        seen.add(claims["jti"])
    assert len(seen) == 2


def test_the_audience_of_an_assertion_can_be_configured(server: StandIn) -> None:
    """Some servers take only their issuer; a key without an id sends no `kid`."""
    pem = PRIVATE["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ClientKey.of_pem(pem, "ES256", None)
    for form in sent(server, PrivateKeyJwtAuthentication("vault", key, "https://id.example", time.time)):
        header, claims = opened(form["client_assertion"], "ES256")
        assert header == {"alg": "ES256", "typ": "JWT"}
        assert claims["aud"] == "https://id.example"


@pytest.mark.parametrize(("algorithm", "wanted"), [("ES256", "RS256"), ("ES256", "ES384"), ("RS256", "EdDSA")])
def test_a_key_of_another_algorithm_is_refused(algorithm: str, wanted: str) -> None:
    """The refusal comes when the providers file is read."""
    pem = PRIVATE[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match=f"is not a key for {wanted}"):
        ClientKey.of_pem(pem, wanted, None)


def test_no_proof_prints(server: StandIn) -> None:
    """Neither the secret nor the key nor the assertion."""
    pem = PRIVATE["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    proofs = [
        PostedSecret("vault", "s3cret").proof(server.url),
        PrivateKeyJwtAuthentication("vault", ClientKey.of_pem(pem, "ES256", None), None, time.time).proof(server.url),
    ]
    assert [repr(proof) for proof in proofs] == ["***", "***"]
