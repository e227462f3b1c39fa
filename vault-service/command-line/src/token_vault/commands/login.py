"""`configure`, `login`, `logout`, `status`."""

from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated

import typer

from token_vault import browser_login, output, profiles
from token_vault.context import Context
from token_vault.oauth import Challenge, LoginServer, LoginTokens
from token_vault.output import answer_json, say, when
from token_vault.sessions import FILE, KEYRING, SignedInSession


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(configure)
    app.command()(login)
    app.command()(logout)
    app.command()(status)


def configure(
    context: typer.Context,
    vault: Annotated[str, typer.Option(help="The vault's address, or its gateway's.")] = "",
    issuer: Annotated[str, typer.Option(help="The authorization server's issuer.")] = "",
    client_id: Annotated[str, typer.Option(help="The client with which you log in.")] = "",
    ca_file: Annotated[str, typer.Option(help="CA certificates to trust, in PEM.")] = "",
    proxy: Annotated[str, typer.Option(help="The proxy for all connections.")] = "",
) -> None:
    """Remember which vault and which authorization server a profile means."""
    profile: profiles.Profile = context.obj.profile
    given = profile.with_given(vault=vault, issuer=issuer, client_id=client_id, ca_file=ca_file, proxy=proxy)
    profiles.save(given.demand("vault", "issuer"))
    say(f"[green]✓[/] profile {given.name} is in {profiles.config_file()}")


def login(
    context: typer.Context,
    device: Annotated[bool, typer.Option("--device", help="Log in on another device, by a code (RFC 8628).")] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser; else only print the address.")] = True,
    stay: Annotated[bool, typer.Option("--stay", help="Stay logged in while your session lives.")] = False,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Stay logged in; keep the refresh token in the keyring.")
    ] = False,
) -> None:
    """Log in.

    Without --stay nothing is kept but an access token, for some minutes. With it the refresh token of your session is
    kept in a file that only you can read.
    """
    here: Context = context.obj
    server = LoginServer(here.profile)
    tokens = _by_device(server) if device else browser_login.log_in(server, open_browser=browser)
    session = SignedInSession(here.profile)
    kept = session.begin(tokens, KEYRING if keyring else FILE if stay else "")
    if not kept.kept_in:
        say(f"[green]✓[/] logged in for {tokens.expires_in / 60:.0f} min; no refresh token is kept")
    else:
        place = "the keyring" if kept.kept_in == KEYRING else str(session.path)
        say(f"[green]✓[/] logged in while your session lives; its refresh token is in {place}")


def _by_device(server: LoginServer) -> LoginTokens:
    challenge = Challenge()
    begun = server.begin_device(challenge)
    say(f"Open this address on any device:\n\n  {begun['verification_uri']}\n")
    say(f"and enter the code [bold]{begun['user_code']}[/]")
    if complete := begun.get("verification_uri_complete"):
        say(f"\n(or open {complete})")
    return server.wait_for_device(begun, challenge.verifier)


def logout(context: typer.Context) -> None:
    """Forget the login, and revoke its refresh token where one was kept."""
    here: Context = context.obj
    ended = SignedInSession(here.profile).end()
    if ended is None:
        say("You were not logged in.")
        return
    if ended.refresh_token:
        LoginServer(here.profile).revoke(ended.refresh_token)
    say("[green]✓[/] logged out")


def status(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the profile, and whether you are logged in. Ends with status 3 when you are not."""
    here: Context = context.obj
    profile, session = here.profile, SignedInSession(here.profile)
    kept = session.read()
    ends_at = datetime.fromtimestamp(kept.ends_at, timezone.utc) if kept else None
    alive = kept is not None and (bool(kept.kept_in) or (ends_at is not None and ends_at > datetime.now(timezone.utc)))
    shown = replace(profile, proxy=profile.proxy or "")
    facts = {
        "profile": shown.name,
        "vault": shown.vault,
        "issuer": shown.issuer,
        "loggedIn": alive,
        "accessTokenEndsAt": ends_at,
        "refreshTokenKeptIn": kept.kept_in if kept and kept.kept_in else None,
        "ticket": here.has_ticket,
    }
    if as_json:
        answer_json(facts)
    else:
        login_line = "no" if not alive else f"yes; the access token ends {when(ends_at)}"
        output.table(
            ["", ""],
            [["profile", shown.name], ["vault", shown.vault], ["issuer", shown.issuer], ["logged in", login_line]],
        )
    if not alive and not here.has_ticket:
        configured = shown.vault and shown.issuer
        say(f"  → [bold]token-vault {'login' if configured else 'configure --vault URL --issuer URL'}[/]")
        raise typer.Exit(output.LOG_IN)
