"""Text that people write: what is trimmed, what is refused, and what stays as it is."""

import unicodedata
from typing import Annotated

import msgspec
import pytest
from flask import Flask, request

from service_kit.http import inputs, text
from service_kit.http.inputs import Input
from service_kit.http.problems import Problem
from service_kit.http.text import LINE, TEXT, VISIBLE

KEPT = [
    "Nightly report",
    "Ünïcödé",
    "Привет",
    "שלום",
    "日本語",
    "👨\u200d👩\u200d👧",  # a family: emoji joined by U+200D
    "❤\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # a flag, of tags
    "می\u200cخواهم",  # noqa: RUF001 - Persian: a word with U+200C
    "क्\u200dष",
    "e\u0301",
    "a\u00a0b",
    "soft\u00adhyphen",
    "가",
]
INVISIBLE = [
    " ",
    "\u00a0",
    "\u1680\u2003\u3000\u205f",
    "\u200b",
    "\u200c\u200d",
    "\u2060\ufeff",
    "\u00ad",
    "\u034f",
    "\u115f\u1160\u3164\uffa0",
    "\u17b4\u17b5",
    "\u180b\u180e",
    "\u2800",
    "\u2061\u2065\ufff0",
    "\ufe0f\U000e0100",
    "\U000e0061\U000e007f",
    "\U0001d159",
    "\u0301",
    " \u200b\u00a0 ",
]
TURNING = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
CONTROLS = [*"\x00\x01\x07\x1b\x7f\x80\x85\x9f\u2028\u2029"]


class TextNote(Input, frozen=True, kw_only=True):
    """A body with both kinds of text."""

    short_title: Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=LINE, extra_json_schema=VISIBLE)]
    body: Annotated[str, msgspec.Meta(max_length=200, pattern=TEXT, extra_json_schema=VISIBLE)] | None = None
    machine: Annotated[str, msgspec.Meta(pattern=LINE)] = ""


class Wrapped(Input, frozen=True, kw_only=True):
    """A body in a body."""

    notes: list[TextNote]


def parsed(title: str, body: str | None = None) -> TextNote:
    """A note that came as JSON."""
    content = msgspec.json.encode({"shortTitle": title} | ({} if body is None else {"body": body}))
    with Flask("x").test_request_context(data=content, content_type="application/json"):
        return inputs.body(request, TextNote)


def refusal(title: str, body: str | None = None) -> tuple[str, str]:
    """Pointer and detail of the one fault."""
    with pytest.raises(Problem) as refused:
        parsed(title, body)
    assert refused.value.code == "invalid_input"
    (fault,) = refused.value.errors
    return fault.pointer, fault.detail


@pytest.mark.parametrize("words", KEPT)
def test_words_of_every_script_are_kept(words: str) -> None:
    """Joiners, variation selectors and combining marks are parts of words."""
    assert parsed(words).short_title == words
    assert text.line(words, 100) == words


@pytest.mark.parametrize("blank", INVISIBLE)
def test_text_of_which_nothing_can_be_seen_is_refused(blank: str) -> None:
    """By members' names; in any text that people write, also where it may be left out."""
    assert refusal(blank) == ("/shortTitle", "has no visible characters")
    assert refusal("x", blank) == ("/body", "has no visible characters")
    with pytest.raises(ValueError, match="visible"):
        text.line(blank, 100)


@pytest.mark.parametrize("turn", TURNING)
def test_text_that_turns_the_text_around_it_is_refused(turn: str) -> None:
    """Trojan Source: CVE-2021-42574."""
    assert refusal(f"a{turn}b") == ("/shortTitle", "Text has characters that are not allowed")
    assert refusal("x", f"a{turn}b") == ("/body", "Text has characters that are not allowed")
    with pytest.raises(ValueError, match="not allowed"):
        text.line(f"a{turn}b", 100)


@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused(control: str) -> None:
    """In one line and in several."""
    assert refusal(f"a{control}b")[0] == "/shortTitle"
    assert refusal("x", f"a{control}b")[0] == "/body"


def test_several_lines_may_have_tabs_and_line_ends_and_one_line_may_not() -> None:
    """As patterns say."""
    assert parsed("x", "a\tb\r\nc\n").body == "a\tb\r\nc"
    for control in "\t\r\n":
        assert refusal(f"a{control}b")[0] == "/shortTitle"


@pytest.mark.parametrize("around", [" ", "\u00a0", "\u200b", "\ufeff", "\u3000 \u2060", "\u2800\u3164"])
def test_blanks_around_are_removed(around: str) -> None:
    """So that two names that look alike are alike."""
    assert parsed(f"{around}a b{around}").short_title == "a b"


def test_an_empty_text_stays_empty_and_other_members_stay_as_they_are() -> None:
    """`min_length` decides about the first; ids and the like are no person's text."""
    assert parsed("x", "").body == ""
    assert msgspec.convert({"shortTitle": "x", "machine": " y "}, TextNote).machine == " y "


def test_a_text_in_a_list_is_named_by_its_place() -> None:
    """A JSON Pointer."""
    content = msgspec.json.encode({"notes": [{"shortTitle": "x"}, {"shortTitle": "\u200b"}]})
    with (
        Flask("x").test_request_context(data=content, content_type="application/json"),
        pytest.raises(Problem) as refused,
    ):
        inputs.body(request, Wrapped)
    assert refused.value.errors[0].pointer == "/notes/1/shortTitle"


def test_a_query_follows_the_same_rule() -> None:
    """Search strings, say."""
    assert inputs.parsed_query(b"shortTitle=%20a%C2%A0", TextNote).short_title == "a"
    for encoded in (b"%E2%80%8B", b"%20", b"a%E2%80%AEb"):
        with pytest.raises(Problem):
            inputs.parsed_query(b"shortTitle=" + encoded, TextNote)


@pytest.mark.parametrize("words", ["", " ", "x" * 101])
def test_a_line_from_elsewhere_has_a_length(words: str) -> None:
    """Reasons that operators give."""
    with pytest.raises(ValueError, match="has"):
        text.line(words, 100)


def test_every_ignorable_separator_and_format_character_alone_is_invisible() -> None:
    """All of Zs, Zl, Zp and Cf that Python's Unicode knows, but for signs that enclose a number and are seen."""
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in {"Zs", "Zl", "Zp", "Cf"}:
            with pytest.raises(ValueError, match="visible"):
                text.visible(character)
