"""The login page, for every endpoint that needs one, and the handling of its form."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response

from dev_idp.logins import LoginSession
from dev_idp.pages import SIGN_IN, Pages
from dev_idp.realm import User
from dev_idp.server import OAuthServer


@dataclass(frozen=True, slots=True)
class SignIn:
    """The login page at the address of the current request; its form is posted there."""

    server: OAuthServer
    pages: Pages

    def who(self) -> tuple[LoginSession, User] | None:
        """The person who is logged in in this browser."""
        login = self.server.state.logins.of_browser(self.pages.login_cookie())
        user = self.server.state.realm.user(login.user_id) if login else None
        return (login, user) if login and user else None

    def ask(self, error: str | None = None) -> Response:
        """Show the page."""
        people = [user for user in self.server.state.realm.users.values() if user.password == user.username]
        return self.pages.show("login.html", title=SIGN_IN, error=error, people=people)

    def ask_if_disabled(self, user: User) -> Response | None:
        """The login page again, if the person has been disabled."""
        if self.server.state.logins.is_enabled(user):
            return None
        return self.ask("Account is disabled, contact your administrator.")

    def answer_form(self) -> Response:
        """Check the password and redirect to the same address; `prompt=login` is satisfied."""
        logins = self.server.state.logins
        user = logins.authenticate(request.form.get("username", ""), request.form["password"])
        if user is None:
            return self.ask("Invalid username or password.")
        if page := self.ask_if_disabled(user):
            return page
        left = " ".join(word for word in prompts() if word != "login")
        query = [*((n, v) for n, v in request.args.items() if n != "prompt"), *([("prompt", left)] if left else [])]
        response = redirect(f"{request.path}?{urlencode(query)}", 303)
        known = logins.of_browser(self.pages.login_cookie())
        if known and known.user_id == user.id:
            logins.renew(known)
        else:
            _, cookie = logins.begin(user)
            self.pages.keep_login(response, cookie, self.server.state.realm.lifetimes.sso_max)
        return response


def prompts() -> list[str]:
    """The words of the request's `prompt`."""
    return request.args.get("prompt", "").split()


def decision() -> str | None:
    """`accept` or `cancel`, if the person has pressed a button."""
    return next((name for name in ("accept", "cancel") if name in request.form), None)
