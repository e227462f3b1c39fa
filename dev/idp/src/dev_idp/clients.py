"""A client of the realm, in the form that Authlib expects."""

import hmac

from authlib.oauth2.rfc6749 import ClientMixin

from dev_idp.realm import ClientRecord, uri_matches


class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """RFC 6749 section 2; a client without a secret is public."""

    def __init__(self, record: ClientRecord, secret: str | None) -> None:
        self.record = record
        self.client_id = record.client_id
        self._secret = secret

    def get_client_id(self) -> str:
        """The client's id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: a request must name its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """The scopes that a request gets."""
        return self.record.granted_scopes(scope)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """True if it is registered."""
        return uri_matches(redirect_uri, self.record.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """True if the secret is right."""
        return self._secret is not None and hmac.compare_digest(self._secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Public clients do not authenticate; confidential clients send their secret."""
        return (method == "none") == (self._secret is None)

    def check_response_type(self, response_type: str) -> bool:
        """Only the code flow."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """True if the realm allows the client this grant type."""
        return grant_type in self.record.grant_types
