"""Logins that leave no token in the hub's state.

OAuthenticator stores the login's access token, ID token and refresh token in the hub's database when `auth_state` is
enabled. `NoTokensInState` drops them when the login is complete, and keeps the person's `sub` for the service.
"""

from typing import TYPE_CHECKING, Any

from oauthenticator.generic import GenericOAuthenticator
from tornado.web import HTTPError

if TYPE_CHECKING:
    from oauthenticator.oauth2 import OAuthenticator as Base
else:
    Base = object

SUBJECT = "token_vault_subject"
"""The member of `auth_state` that holds the person's `sub`."""


class NoTokensInState(Base):  # type: ignore[misc] # OAuthenticator has no types
    """Mix into any OAuthenticator whose `user_auth_state_key` holds OpenID Connect's userinfo."""

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """The login's user model with a state of two members: the userinfo and `token_vault_subject`.

        Raises HTTPError (500) when the authorization server does not tell the person's `sub`.
        """
        model = await super().authenticate(handler, data, **kwargs)
        if model:
            userinfo = (model["auth_state"] or {}).get(self.user_auth_state_key) or {}
            if not userinfo.get("sub"):
                raise HTTPError(500, "The authorization server gives no `sub` in its userinfo.")
            model["auth_state"] = {self.user_auth_state_key: userinfo, SUBJECT: userinfo["sub"]}
        return model

    async def refresh_user(self, *_: Any, **__: Any) -> bool:
        """Accept the login until it ends at the hub: there is no token with which the server could be asked again.

        A person who is disabled at the authorization server gets no access token from the vault any more.
        """
        return True


class TokenVaultOAuthenticator(NoTokensInState, GenericOAuthenticator):  # type: ignore[misc] # OAuthenticator has no types
    """The generic OAuthenticator, with no token in the hub's state."""
