"""Settings: from variables or files, all faults at once, no value in any message."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from service_kit.process import settings
from service_kit.process.secret import Secret
from service_kit.process.settings import SettingsError, load, masked, number, one_of, setting


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of a service that does not exist."""

    address: str = setting("ADDRESS", settings.url, "Where it is.")
    password: Secret = setting("PASSWORD", settings.secret, "How it lets us in.")
    share: float = setting("SHARE", number(0, 1), "How much of it.", default="0.5")
    friends: frozenset[str] = setting("FRIENDS", settings.words, "Who else.", default="")


GOOD = {"ADDRESS": "http://db/", "PASSWORD": "hunter2"}


def test_variables_are_parsed_and_defaults_too() -> None:
    """A default is text like any other."""
    config = load(Config, GOOD | {"FRIENDS": "alice, bob  carol"})
    assert config.address == "http://db"
    assert config.password.reveal() == "hunter2"
    assert config.share == 0.5
    assert config.friends == {"alice", "bob", "carol"}


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    """`NAME_FILE`, as container platforms hand over secrets; the line feed at its end does not count."""
    file = tmp_path / "password"
    file.write_text(" hunter2\n")
    file.chmod(0o440)
    config = load(Config, {"ADDRESS": "http://db", "PASSWORD_FILE": str(file)})
    assert config.password == Secret("hunter2")


def test_the_variable_itself_counts_before_the_file(tmp_path: Path) -> None:
    """The file need not even be there then."""
    config = load(Config, GOOD | {"PASSWORD_FILE": str(tmp_path / "nothing")})
    assert config.password == Secret("hunter2")


def test_all_faults_are_reported_at_once() -> None:
    """An operator mends them in one go."""
    with pytest.raises(SettingsError) as caught:
        load(Config, {"ADDRESS": "db:5432", "SHARE": "2"})
    assert str(caught.value) == (
        "ADDRESS: is not an absolute http(s) URL; PASSWORD: is not set; SHARE: is not between 0 and 1"
    )


def test_unreadable_files_are_named_with_the_reason(tmp_path: Path) -> None:
    """Not there, a folder, not text, empty, everybody's to read; the content is not quoted."""
    (tmp_path / "binary").write_bytes(b"\xffhunter2")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "public").write_text("hunter2")
    for file in tmp_path.iterdir():
        file.chmod(0o444 if file.name == "public" else 0o400)
    for name, reason in (
        ("nothing", "No such file"),
        ("", "Is a directory"),
        ("binary", "UTF-8"),
        ("empty", "is empty"),
        ("public", "PASSWORD: .*readable by everybody"),
    ):
        with pytest.raises(SettingsError, match=reason) as caught:
            load(Config, {"ADDRESS": "http://db", "PASSWORD_FILE": str(tmp_path / name)})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "db",
        "//db",
        "ftp://db",
        "http://",
        "http:///path",
        "http://user:hunter2@db?x=1",
        "http://user:hunter2@db#x",
        "http://db?",
        "http://db#",
        "http://db:hunter2",
        "http://db:99999",
        "http://db:0",
        "http://[hunter2",
        "http://[hunter2]/",
        "http://user:hunter2@db\u2100/",
    ],
)
def test_a_faulty_url_is_refused_without_being_quoted(address: str) -> None:
    """Python's own messages quote what they could not parse."""
    with pytest.raises(SettingsError) as caught:
        load(Config, GOOD | {"ADDRESS": address})
    assert str(caught.value) == "ADDRESS: is not an absolute http(s) URL"


@pytest.mark.parametrize("address", ["http://db", "https://db:8443/path", "http://[::1]:80", "http://user:pw@db"])
def test_a_url_loses_its_last_slash(address: str) -> None:
    """So that a path can follow."""
    assert settings.url(address) == settings.url(address + "/") == address
    assert settings.exact_url(address + "/") == address + "/"


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-inf", "1e400", "-0.1", "1.1", "0x1"])
def test_a_faulty_number_is_refused(value: str) -> None:
    """Not a number, or out of bounds; both bounds are included."""
    with pytest.raises(ValueError, match="is not"):
        number(0, 1)(value)
    assert (number(0, 1)("0"), number(0, 1)("1")) == (0, 1)


def test_one_of_some_words() -> None:
    """In whatever case; another one is refused with the choice."""
    parse = one_of("info", "error")
    assert [parse("info"), parse("ERROR")] == ["info", "error"]
    with pytest.raises(ValueError, match="is none of info, error"):
        parse("hunter2")


def test_what_is_optional_may_be_empty() -> None:
    """Empty means absent."""
    for parse in (settings.optional_text, settings.optional_secret, settings.optional_url):
        assert parse("") is None
    assert settings.optional_text("x") == "x"
    assert settings.optional_secret("x") == Secret("x")
    assert settings.optional_url("http://x/") == "http://x"


def test_masked_settings_hold_no_secret() -> None:
    """By the variables' names, for the log."""
    config = load(Config, GOOD)
    assert masked(config) == {"ADDRESS": "http://db", "PASSWORD": "***", "SHARE": "0.5", "FRIENDS": "frozenset()"}
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    "value", ["http://login.example/realms/x", "http://10.0.0.1/x", "http://localhost.evil.example"]
)
def test_an_issuer_on_another_machine_is_https(value: str) -> None:
    """Keys and tokens come from there."""
    with pytest.raises(ValueError, match="https"):
        settings.issuer(value)


@pytest.mark.parametrize("value", ["https://login.example/x/", "http://localhost:8080/x", "http://127.0.0.1:1/x"])
def test_an_issuer_by_https_or_on_this_machine_is_kept_to_the_letter(value: str) -> None:
    """The issuer is compared with `iss`, letter by letter."""
    assert settings.issuer(value) == value
