"""An authorization server for tests: real keys, tokens of any shape, and discovery and key documents over real HTTP."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

AUDIENCE = "token-vault"
NOW = 1_800_000_000.0


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode(document: object) -> bytes:
    """JSON of a document; bytes stand for themselves, so that a test can write what no encoder would."""
    return document if isinstance(document, bytes) else json.dumps(document).encode()


class SigningKey:
    """An RSA key and its id."""

    def __init__(self, key_id: str, bits: int = 2048) -> None:
        self.key_id = key_id
        self.private = rsa.generate_private_key(65537, bits)
        self.public = self.private.public_key()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JWK."""
        numbers = self.public.public_numbers()
        n = b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8))
        return {"kid": self.key_id, "kty": "RSA", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"}

    @property
    def pem(self) -> bytes:
        """The public key in PEM."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def der(self) -> bytes:
        """The public key in DER."""
        return self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def rs256(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def ps256(self, data: bytes) -> bytes:
        """RSASSA-PSS with SHA-256."""
        return self.private.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    """A signer with a shared secret."""

    def sign(data: bytes) -> bytes:
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(data)
        return mac.finalize()

    return sign


def es256(data: bytes) -> bytes:
    """A token signed with a P-256 key that the issuer does not publish."""
    return ec.generate_private_key(ec.SECP256R1()).sign(data, ec.ECDSA(hashes.SHA256()))


def jws(header: object, payload: object, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS of exactly these parts."""
    signed = f"{b64(encode(header))}.{b64(encode(payload))}"
    return f"{signed}.{b64(sign(signed.encode()))}"


class StubIssuer:
    """The server. `documents` by path may be replaced, `status` too; `requests` lists the paths asked for."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self.requests: list[str] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hold: threading.Event | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/demo"
        self.documents: dict[str, bytes] = {}
        self.describe()
        self.publish(key.jwk)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def describe(self, **members: object) -> None:
        """Serve the usual discovery document, with these members instead."""
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/certs",
        }
        self.documents["/realms/demo/.well-known/openid-configuration"] = encode(document | members)

    def publish(self, *jwks: Mapping[str, Any]) -> None:
        """Serve these keys."""
        self.documents["/realms/demo/certs"] = encode({"keys": jwks})

    @property
    def key_fetches(self) -> int:
        """The number of requests for the keys."""
        return self.requests.count("/realms/demo/certs")

    def header(self, **members: object) -> dict[str, object]:
        """The header of a good token, with these members instead; None leaves one out."""
        return _merge({"alg": "RS256", "typ": "JWT", "kid": self.key.key_id}, members)

    def claims(self, **members: object) -> dict[str, object]:
        """The claims of a good access token, with these members instead; None leaves one out."""
        usual = {
            "iss": self.url,
            "sub": "alice-id",
            "aud": AUDIENCE,
            "exp": NOW + 300,
            "iat": NOW,
            "typ": "Bearer",
            "azp": "task-ui",
            "scope": "openid profile",
            "resource_access": {AUDIENCE: {"roles": ["token:mint"]}},
        }
        return _merge(usual, members)

    def token(self, header: object = None, payload: object = None, sign: Callable[[bytes], bytes] | None = None) -> str:
        """A token of these parts; those left out are good."""
        return jws(header or self.header(), payload or self.claims(), sign or self.key.rs256)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(stub) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request's
        class HttpHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stub.requests.append(self.path)
                if stub.hold is not None:
                    stub.hold.wait(10)
                document = stub.documents.get(self.path, b"")
                self.send_response(stub.status if document else 404)
                for name, value in {"Content-Length": str(len(document)), **stub.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return HttpHandler


def _merge(usual: dict[str, object], members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**usual, **members}.items() if value is not None}
