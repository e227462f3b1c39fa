"""ID tokens (OpenID Connect Core 1.0 section 3.1.3.7): the subject that logged in and consented."""

import hmac
import time

from service_kit.tokens import jwt
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError, UnknownKeyError


def verify(id_token: str, issuer: Issuer, client_id: str, nonce: str) -> str:
    """The `sub` of an ID token for this client and this nonce.

    Raises InvalidTokenError, or IssuerUnavailableError if the issuer's keys were never fetched.
    """
    try:
        header, payload = jwt.verify(id_token, issuer, client_id, time.time())
    except UnknownKeyError:  # the token came directly from the issuer, so the issuer has a new key
        issuer.look_again()
        header, payload = jwt.verify(id_token, issuer, client_id, time.time())
    if header.typ.upper() != "JWT" or payload.typ not in {"", "ID"} or payload.azp not in {"", client_id}:
        raise InvalidTokenError("not an ID token of this client")
    if not hmac.compare_digest(payload.nonce.encode(), nonce.encode()):
        raise InvalidTokenError("nonce")
    return payload.sub
