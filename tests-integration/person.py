"""A person with a browser made of `requests`: logs in, consents or refuses, at either authorization server."""

import html
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

TIMEOUT = 30


@dataclass
class Person:
    """A person with a name, a password and a cookie jar."""

    name: str
    browser: requests.Session = field(default_factory=requests.Session)

    @property
    def password(self) -> str:
        """In the development realm it is the name."""
        return self.name

    def grant(self, url: str, *, stop_at: str) -> str:
        """Open a consent URL, log in when asked, say yes; the address below `stop_at` that the browser is sent to."""
        return self._answer(url, stop_at, yes=True)

    def refuse(self, url: str, *, stop_at: str) -> str:
        """The same, saying no."""
        return self._answer(url, stop_at, yes=False)

    def decide(self, url: str, *, yes: bool = True) -> requests.Response:
        """Open a page that asks without sending the browser back (a device's), log in when asked; the last page."""
        page = self._follow(self.get(url), "nowhere")
        while isinstance(page, requests.Response):
            fields = self.fields(page.text, yes=yes)
            if fields is None:
                return page
            page = self._submit(page, "nowhere", **fields)
        raise AssertionError(f"sent to {page}")

    def remember(self, cookie: str | None) -> None:
        """Put the cookie of a `Set-Cookie` header into the browser."""
        if cookie is not None:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.browser.cookies.set(name, value)

    def fields(self, page: str, *, yes: bool) -> dict[str, str] | None:
        """The fields that this person enters in the form of a page; None when the page has neither a login nor a
        decision.
        """
        if 'name="password"' in page:
            return {"username": self.name, "password": self.password}
        if 'name="accept"' in page:
            return {"accept": "Yes"} if yes else {"cancel": "No"}
        return None

    def get(self, url: str) -> requests.Response:
        """One GET, with this browser's cookies, redirects not followed."""
        # Keycloak's cookies are `Secure` on localhost too; browsers send them there, `requests` would not.
        for cookie in self.browser.cookies:
            cookie.secure = False
        return self.browser.get(url, allow_redirects=False, timeout=TIMEOUT)

    def _answer(self, url: str, stop_at: str, *, yes: bool) -> str:
        page = self._follow(self.get(url), stop_at)
        while isinstance(page, requests.Response):
            fields = self.fields(page.text, yes=yes)
            assert fields is not None, f"neither a login nor a consent page: {page.status_code} {page.text[:500]}"
            page = self._submit(page, stop_at, **fields)
        return page

    def _follow(self, answer: requests.Response, stop_at: str) -> "requests.Response | str":
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["Location"])
            if target.startswith(stop_at):
                return target
            answer = self.get(target)
        return answer

    def _submit(self, page: requests.Response, stop_at: str, **fields: str) -> "requests.Response | str":
        form = re.search(r"<form[^>]*>", page.text)
        assert form is not None
        action = re.search(r'action="([^"]*)"', form[0])
        hidden = re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"', page.text)
        for cookie in self.browser.cookies:
            cookie.secure = False
        answer = self.browser.post(
            urljoin(page.url, html.unescape(action[1]) if action else ""),
            data={**{name: html.unescape(value) for name, value in hidden}, **fields},
            allow_redirects=False,
            timeout=TIMEOUT,
        )
        return self._follow(answer, stop_at)


def query(url: str) -> dict[str, str]:
    """The query parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
