"""Kinds: their schemas, the check of parameters, and what an installation offers."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_attempts import Memory, an_attempt
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault, Userinfo

from service_kit.process.settings import SettingsError
from task_service import bootstrap, config
from task_service.application.access import AttemptAccess
from task_service.application.errors import KindNotFoundError, ParametersTooLargeError
from task_service.application.progress import GroupedProgress
from task_service.domain.work import DEMONSTRATION, Work
from task_service.kinds import registry
from task_service.kinds.base import HandlerContext, Kind, KindSettings, Parameters, ParametersError, Tools
from task_service.kinds.demo import Demo
from task_service.kinds.function import Function
from task_service.kinds.http import Http
from task_service.kinds.registry import MAX_PARAMETERS_BYTES, Kinds, stored_bytes

NEEDED = {
    "TASK_DATABASE_URL": "postgresql://tasks@localhost/tasks",
    "ISSUER": "http://localhost:1/realms/demo",
    "VAULT_URL": "http://localhost:2",
    "TASK_SERVICE_CLIENT_SECRET": "s",
}


def tools(**settings: Any) -> Tools:
    """The tools of kinds."""
    return Tools(userinfo=Userinfo(), settings=KindSettings(**settings))


class Inner(Parameters, frozen=True, kw_only=True):
    """A part."""

    level: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1


class Outer(Parameters, frozen=True, kw_only=True):
    """Parameters with a part."""

    text: Annotated[str, msgspec.Meta(max_length=5)]
    inner_part: Inner = Inner()


class Sample(Kind[Outer]):
    """A kind for tests.

    More about it.
    """

    Parameters = Outer

    def check(self, parameters: Outer) -> None:
        """One word is bad."""
        if parameters.text == "bad":
            raise ParametersError("/text", "is bad")

    def choices(self) -> dict[str, list[str]]:
        """Three words."""
        return {"text": ["bad", "good", "fine"]}

    def run(self, parameters: Outer, context: HandlerContext) -> str:
        """Say it."""
        return parameters.text * parameters.inner_part.level


KINDS = Kinds({"sample": Sample(tools()), "demo": Demo(tools())}, {"sample": "process", "demo": "local"})


def test_without_settings_an_installation_offers_the_demonstration_alone() -> None:
    """`http` and `function` have nothing to do before an operator allows something."""
    assert set(registry.installed(tools())) == {"demo"}
    assert set(registry.installed(tools(http_origins=("https://a.example",), functions=("f",)))) == {
        "demo",
        "http",
        "function",
    }


def test_a_kind_is_described_by_its_first_line_and_its_schema() -> None:
    """With the values that are accepted here."""
    demo, sample = KINDS.describe()
    assert (demo.name, demo.executor) == ("demo", "local")
    assert (sample.description, sample.executor) == ("A kind for tests.", "process")
    assert sample.parameters["properties"]["text"]["enum"] == ["bad", "good", "fine"]
    assert sample.parameters["required"] == ["text"]
    assert sample.parameters["additionalProperties"] is False
    reference = sample.parameters["properties"]["innerPart"]["$ref"]
    assert reference == "#/$defs/Inner"
    assert sample.parameters["$defs"]["Inner"]["properties"]["level"]["maximum"] == 5


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({}, ""),
        ({"text": 1}, "/text"),
        ({"text": "too long"}, "/text"),
        ({"text": "good", "other": 1}, ""),
        ({"text": "good", "innerPart": {"level": 6}}, "/innerPart/level"),
        ({"text": "good", "innerPart": []}, "/innerPart"),
        ({"text": "bad"}, "/text"),
        ({"text": "a\x00"}, ""),
        ({"text": None}, "/text"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_with_their_place(parameters: dict[str, Any], pointer: str) -> None:
    """As a JSON Pointer into the parameters."""
    with pytest.raises(ParametersError) as refused:
        KINDS.check(Work("sample", parameters))
    assert refused.value.pointer == pointer


def test_unknown_kinds_and_parameters_of_the_demonstration_are_refused() -> None:
    """The demonstration has none."""
    KINDS.check(DEMONSTRATION)
    KINDS.check(Work("sample", {"text": "good"}))
    with pytest.raises(KindNotFoundError, match="'quantum'"):
        KINDS.check(Work("quantum"))
    with pytest.raises(ParametersError):
        KINDS.check(Work("demo", {"steps": 5}))


def test_parameters_of_more_than_16_kib_are_refused_before_they_are_looked_at() -> None:
    """Numbers count as PostgreSQL stores them."""
    with pytest.raises(ParametersTooLargeError):
        KINDS.check(Work("sample", {"text": "x" * MAX_PARAMETERS_BYTES}))
    with pytest.raises(ParametersTooLargeError):
        KINDS.check(Work("sample", {"text": [1e300] * 100}))


@pytest.mark.parametrize(("levels", "fits"), [(31, True), (32, False), (400, False)])
def test_parameters_that_are_nested_too_deeply_are_refused(levels: int, fits: bool) -> None:
    """Before anything is called for each level."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    with pytest.raises(ParametersError, match="Object contains unknown field" if fits else "nested more than 32"):
        KINDS.check(Work("demo", {"a": value}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab"é\\'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_no_value_is_longer_in_postgresql_than_it_is_counted_twice(value: Any) -> None:
    """`jsonb` writes numbers out, and a blank after each colon and comma: the column's limit is four times as much."""
    from decimal import Decimal  # noqa: PLC0415 - only here

    def written(part: Any) -> int:
        if isinstance(part, dict):
            return 2 + sum(written(name) + written(member) + 4 for name, member in part.items())
        if isinstance(part, list):
            return 2 + sum(written(member) + 2 for member in part)
        return len(f"{Decimal(repr(part)):f}") if isinstance(part, float) else len(msgspec.json.encode(part))

    assert written(value) <= 2 * stored_bytes(value) + 2


def test_parameters_that_no_longer_fit_fail_the_run_with_a_reason() -> None:
    """The kind or its settings have changed since the task was created."""
    context: Any = type("Context", (), {"attempt": an_attempt("sample")})()
    with pytest.raises(registry.HandlerError, match="cannot be used any more"):
        registry.HereHandler(Sample(tools())).run(context)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("function=quantum", "there is no executor 'quantum'"),
        ("quantum=process", "there is no kind 'quantum'"),
        ("function=local", "cannot run in the worker"),
        ("function", "kind=executor"),
        ("function=process function=local", "each kind once"),
    ],
)
def test_a_faulty_choice_of_executors_is_refused_at_start(value: str, words: str) -> None:
    """With one line that says what is wrong."""

    def start() -> None:
        settings = config.read({**NEEDED, "TASK_FUNCTIONS": "f", "TASK_EXECUTORS": value})
        bootstrap.placed(settings, registry.installed(tools(functions=("f",))))

    with pytest.raises(SettingsError, match=words):
        start()


def test_executors_are_chosen_by_kind() -> None:
    """Kinds of the service run in the worker, others do not, unless the configuration says otherwise."""
    settings = config.read({**NEEDED, "TASK_EXECUTORS": "demo=process"})
    kinds = {"demo": Demo(tools()), "http": Http(tools()), "function": Function(tools())}
    assert bootstrap.placed(settings, kinds) == {"demo": "process", "http": "local", "function": "process"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_HTTP_ORIGINS", "api.example"),
        ("TASK_HTTP_ORIGINS", "https://api.example/path"),
        ("TASK_HTTP_ORIGINS", "https://user:secret@api.example"),
        ("TASK_HTTP_ORIGINS", "ftp://api.example"),
        ("TASK_HTTP_NETWORKS", "10.0.0.1/8"),
        ("TASK_HTTP_NETWORKS", "localhost"),
        ("TASK_SANDBOX_READ", "relative/path"),
        ("TASK_SANDBOX", "maybe"),
    ],
)
def test_faulty_settings_of_kinds_are_refused_at_start(name: str, value: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=name):
        config.read({**NEEDED, name: value})


def test_settings_of_kinds_travel_without_secrets() -> None:
    """The settings that travel are six."""
    settings = config.read({**NEEDED, "TASK_HTTP_ORIGINS": "https://API.example:443 http://b.example:80/"})
    sent = msgspec.json.encode(bootstrap.kind_settings(settings)).decode()
    assert msgspec.json.decode(sent)["http_origins"] == ["http://b.example", "https://api.example"]
    assert set(msgspec.json.decode(sent)) == {
        "demo_step_seconds",
        "http_origins",
        "http_networks",
        "http_seconds",
        "functions",
        "notebooks",
    }


def test_the_example_of_the_developers_page_works() -> None:
    """The example's ten lines are read from the page."""
    page = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "docs/kinds.md", "exec"), names)
    kind = names["WordCount"](tools())
    attempt = replace(an_attempt("wordcount"), parameters={"text": "three more words"})
    journal = MemoryJournal()
    context = HandlerContext(
        attempt, GroupedProgress(Memory(attempt)), journal, AttemptAccess(ScriptedVault()), lambda: None
    )
    assert registry.HereHandler(kind).run(context) == "3 words"
    journal.flush()
    assert [line.message for _, line in journal.lines] == ["Counting."]
    assert Kinds({"wordcount": kind}, {"wordcount": "process"}).describe()[0].parameters["required"] == ["text"]
