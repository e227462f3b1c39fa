"""The screens of the command line: as at a terminal, the same each time, and without anything from elsewhere."""

import re
from xml.etree import ElementTree

import prepared_vault
import pytest
import screens

pytestmark = pytest.mark.process
NAMES = {"svg": "http://www.w3.org/2000/svg"}


def words(svg: str) -> str:
    """The text of a screen, with plain spaces."""
    texts = ElementTree.fromstring(svg).iterfind(".//svg:text", NAMES)
    return "".join(f"{text.text} " for text in texts).replace("\N{NO-BREAK SPACE}", " ")


def test_a_screen_shows_what_was_typed_and_the_answer_in_colour() -> None:
    svg = screens.draw("error")
    said = words(svg)
    assert "token-vault get weekly" in said
    assert "This token was revoked." in said
    assert said.rstrip().endswith("4"), "the status of the command before, not of the prompt"
    assert "fill: #ff7b72" in svg


def test_a_screen_is_the_same_each_time_and_loads_nothing() -> None:
    """Whatever the port of the prepared vault, the home and the time of day."""
    first, second = (screens.draw("ticket") for _ in range(2))
    assert first == second
    addresses = set(re.findall(r"(?:https?:)?//[^\s\"')<]+", first))
    assert addresses == {NAMES["svg"]}
    assert prepared_vault.TICKET not in first
    assert "127.0.0.1" not in first


def test_commands_that_do_not_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(screens, "SCREENS", {"slow": ("Slow", ("exec sleep 60",))})
    with pytest.raises(ValueError, match=r"not ended in 0\.2 s"):
        screens.draw("slow")
