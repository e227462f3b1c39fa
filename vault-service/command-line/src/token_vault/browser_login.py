"""Logging in with a browser on this machine: code flow with PKCE, back to a loopback port (RFC 8252 section 7.3)."""

import hmac
import secrets
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from token_vault.oauth import Challenge, LoginServer, LoginTokens
from token_vault.output import LOG_IN, CommandError, say

WAIT_SECONDS = 300.0
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>token-vault</title>
<p>{message} You can close this window and go back to your terminal.</p></html>"""


def log_in(server: LoginServer, *, open_browser: bool) -> LoginTokens:
    """Send the person to the authorization server and wait for what comes back. Raises CommandError."""
    challenge, state = Challenge(), secrets.token_urlsafe(24)
    with _Callback(state) as callback:
        url = server.authorization_url(callback.address, state, challenge)
        say(f"Open this address in your browser to log in:\n\n  {url}\n")
        if open_browser and not webbrowser.open(url):
            say("No browser was found. On a machine without one: [bold]token-vault login --device[/]")
        found = callback.wait()
        if "error" in found:
            raise CommandError(LOG_IN, f"you are not logged in: {found.get('error_description') or found['error']}")
        if server.names_itself() and found.get("iss") != server.profile.issuer:
            raise CommandError(LOG_IN, "the answer comes from another authorization server than the one that was asked")
        return server.redeem(found.get("code", ""), callback.address, challenge.verifier)


class _Callback:
    """A web server on a free loopback port that takes one answer, the one with the right `state`."""

    def __init__(self, state: str) -> None:
        self._found: dict[str, str] = {}
        self._arrived = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(state))
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/callback"

    def __enter__(self) -> "_Callback":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self) -> dict[str, str]:
        """The parameters of the answer. Raises CommandError when none comes."""
        if not self._arrived.wait(WAIT_SECONDS):
            raise CommandError(LOG_IN, "nobody has logged in within five minutes", "token-vault login")
        return self._found

    def _handler(self, state: str) -> type[BaseHTTPRequestHandler]:
        callback = self

        class LoginCallbackHandler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                right = parts.path == "/callback" and hmac.compare_digest(
                    query.get("state", "").encode(), state.encode()
                )
                message = "Not logged in." if "error" in query else "You are logged in."
                page = _PAGE.format(message=message if right else "This is not the answer that was waited for.")
                self.send_response(200 if right else 404)
                for name, value in {
                    "Content-Type": "text/html; charset=utf-8",
                    "Content-Length": str(len(page.encode())),
                    "Cache-Control": "no-store",
                    "Referrer-Policy": "no-referrer",
                    "Connection": "close",
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.encode())
                if right and not callback._arrived.is_set():
                    callback._found = query
                    callback._arrived.set()

            def log_message(self, *_: object) -> None:
                """Logs no requests: their URLs contain authorization codes."""

        return LoginCallbackHandler
