"""Which vault and which authorization server: profiles in `$XDG_CONFIG_HOME/token-vault/config.toml`.

default = "work"

[profiles.work]
vault = "https://tasks.example.org"
issuer = "https://login.example.org/realms/institute"
client_id = "token-vault-cli"       # may be left out
ca_file = "/etc/ssl/institute.pem"  # may be left out: the system's
proxy = "http://proxy:3128"         # may be left out: none
"""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import requests

from token_vault import files
from token_vault.output import USAGE, CommandError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLIENT_ID = "token-vault-cli"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Profile:
    """One vault and the authorization server at which its people log in."""

    name: str
    vault: str = ""
    issuer: str = ""
    client_id: str = CLIENT_ID
    ca_file: str = ""
    proxy: str = ""

    def with_given(self, **given: str | None) -> "Profile":
        """The profile with what was given on the command line in the place of what the file says."""
        return replace(self, **{name: value for name, value in given.items() if value})

    def http(self) -> requests.Session:
        """Connections as the profile says; nothing comes from the environment."""
        session = requests.Session()
        session.trust_env = False
        if self.ca_file:
            session.verify = self.ca_file
        if self.proxy:
            session.proxies = {"http": self.proxy, "https": self.proxy}
        return session

    def demand(self, *names: str) -> "Profile":
        """The profile itself. Raises CommandError when one of those members is missing or is no address."""
        for name in names:
            value = getattr(self, name)
            if not value:
                hint = "token-vault configure --vault URL --issuer URL"
                raise CommandError(USAGE, f"profile {self.name} does not say which {name}", hint)
            if not value.startswith(("https://", "http://")):
                raise CommandError(USAGE, f"{name} of profile {self.name} is no https:// address: {value}")
        return self


def config_file() -> Path:
    """The file with the profiles."""
    return _folder("XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder() -> Path:
    """The folder with the logins."""
    return _folder("XDG_STATE_HOME", ".local/state")


def load(name: str | None) -> Profile:
    """A profile, by default the one that the file names. Raises CommandError."""
    document = _read()
    chosen = name or document.get("default", "default")
    entry = document.get("profiles", {}).get(chosen)
    if entry is None:
        if name and document:
            known = ", ".join(document.get("profiles", {})) or "none"
            raise CommandError(USAGE, f"there is no profile {name}; known: {known}", "token-vault configure")
        return Profile(check_name(chosen))
    unknown = sorted(entry.keys() - asdict(Profile("")).keys())
    if unknown or not all(isinstance(value, str) for value in entry.values()):
        raise CommandError(USAGE, f"{config_file()}: profile {chosen} has what it should not: {unknown or 'no text'}")
    return Profile(check_name(chosen), **{name: value for name, value in entry.items() if name != "name"})


def save(profile: Profile) -> None:
    """Write a profile; the first one becomes the default. Raises CommandError."""
    document = _read()
    profiles = document.setdefault("profiles", {})
    members = {name: value for name, value in asdict(profile).items() if value and name != "name"}
    profiles[profile.name] = {**profiles.get(profile.name, {}), **members}
    lines = [f"default = {json.dumps(document.get('default', profile.name))}"]
    for name, entry in profiles.items():
        lines += ["", f"[profiles.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    files.replace(config_file(), "\n".join(lines) + "\n")


def check_name(name: str) -> str:
    """The name. Raises CommandError when it is none: it becomes a file's name."""
    if not _NAME.fullmatch(name):
        raise CommandError(USAGE, f"{name!r} is no name of a profile: letters, digits, - and _")
    return name


def _read() -> dict[str, Any]:
    try:
        return tomllib.loads(config_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(USAGE, f"{config_file()} cannot be read: {error}") from None


def _folder(variable: str, default: str) -> Path:
    """XDG Base Directory Specification: a relative path is ignored."""
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / default) / "token-vault"
