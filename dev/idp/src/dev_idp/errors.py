"""The errors of this server, with Keycloak's texts.

OAuth2Error (Authlib)
├── RequestRefusedError       400, no redirect: shown to the person on a page
├── UnknownFlowError          400 unsupported_grant_type
├── UnknownClientError        401 invalid_client
│   └── AskerRefusedError     401 invalid_client, at the introspection endpoint
├── ClientRefusedError        401 unauthorized_client
│   └── FlowRefusedError      400 or 401, in words of its own
├── ClientNotAllowedError     403 invalid_request
├── CredentialsRefusedError   400 invalid_grant
├── ScopesRefusedError        400 invalid_scope
├── ProofRefusedError         400 invalid_dpop_proof
├── RevocationRefusedError    200 invalid_token: an invalid or ended token, at the revocation endpoint
└── InvalidGrantError         400 invalid_grant, with one of the texts below
"""

from authlib.oauth2 import OAuth2Error

CODE_NOT_VALID = "Code not valid"
CODE_ELSEWHERE = "Incorrect redirect_uri"
VERIFIER_MISSING = "PKCE code verifier not specified"
VERIFIER_WRONG = "PKCE verification failed: Code mismatch"
VERIFIER_INVALID = "PKCE verification failed: Invalid code verifier"
REFRESH_INVALID = "Invalid refresh token"
REFRESH_FOREIGN = "Invalid refresh token. Token client and authorized client don't match"
REFRESH_BOUND = "The refresh token is bound to another key"
REFRESH_EXPIRED = "Token is not active"
REFRESH_OVERUSED = "Maximum allowed refresh token reuse exceeded"
REFRESH_STALE = "Stale token"
OFFLINE_SESSION_GONE = "Offline user session not found"
OFFLINE_SESSION_IDLE = "Offline session not active"
SESSION_GONE = "Session not active"
SESSION_DETACHED = "Session doesn't have required client"
USER_DISABLED = "User disabled"
DEVICE_CODE_NOT_VALID = "Device code not valid"
DEVICE_NOT_ALLOWED = "Client not allowed for OAuth 2.0 Device Authorization Grant"
CHALLENGE_METHOD = "Invalid parameter: code challenge method is not matching the configured one"

IN_KEYCLOAKS_WORDS = {
    "Missing 'code' in request.": "Missing parameter: code",
    "Missing 'refresh_token' in request.": "No refresh token",
    "Invalid 'code_challenge'": "Invalid parameter: code_challenge",
    "Unsupported 'code_challenge_method'": CHALLENGE_METHOD,
    "Missing 'device_code' in payload": "Missing parameter: device_code",
}
"""Authlib's texts, and Keycloak's texts that replace them."""


class RequestRefusedError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """An authorization request that must not be redirected (RFC 6749 section 4.1.2.1)."""

    error = "invalid_request"


class UnknownFlowError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Unsupported grant_type"""

    error = "unsupported_grant_type"
    description = __doc__


class UnknownClientError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Invalid client or Invalid client credentials"""

    error = "invalid_client"
    description = __doc__
    status_code = 401


class AskerRefusedError(UnknownClientError):
    """Client authentication failed."""

    description = __doc__


class ClientRefusedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Invalid client or Invalid client credentials"""

    error = "unauthorized_client"
    description = __doc__
    status_code = 401


class FlowRefusedError(ClientRefusedError):
    """The client is authenticated, but the realm does not allow it this flow; the message names the flow."""


class ClientNotAllowedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Client not allowed."""

    error = "invalid_request"
    description = __doc__
    status_code = 403


class CredentialsRefusedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Invalid user credentials"""

    error = "invalid_grant"
    description = __doc__


class ScopesRefusedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Invalid scopes: those that were asked for"""

    error = "invalid_scope"

    def __init__(self, scope: str) -> None:
        printable = "".join(c for c in scope if " " <= c <= "~" and c not in '"\\')  # RFC 6749 section 5.2
        super().__init__(description=f"Invalid scopes: {printable}")


class ProofRefusedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """A DPoP proof that is missing or not valid: RFC 9449 section 5"""

    error = "invalid_dpop_proof"

    def __init__(self, reason: str) -> None:
        super().__init__(description=f"DPoP proof: {reason}")


class RevocationNotAllowedError(OAuth2Error):  # type: ignore[misc] # Authlib has no types
    """Invalid token"""

    error = "invalid_token"
    description = __doc__
    status_code = 200
