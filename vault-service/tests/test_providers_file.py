"""Every field of the providers file with every kind of wrong value: one line with file, provider and field, no value.

`test_providers` has the right values, and the fields that do not go together.
"""

from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from vault_service import provider_file
from vault_service.provider_file.table import ExpiryTable, ProviderTable

NEEDED = {"issuer": '"https://issuer.example"', "client_id": '"token-vault"', "client_secret_file": '"secret"'}
ADDRESSES = {
    "issuer",
    "internal_url",
    "proxy",
    *(f"{name}_endpoint" for name in ("authorization", "token", "revocation", "account")),
}
WORDS = {
    *("kind", "client_id", "client_authentication", "client_key_id", "client_key_algorithm", "algorithm"),
    *("client_assertion_audience", "clock_skew", "access_lifetime", "offline_scope", "scope_delimiter"),
}
FILES = {"client_secret_file", "client_key_file", "ca_bundle"}
POINTERS = {"account_pointer", "tokens_at"}
FLAGS = {"narrows", "revoke"}
SETS = {"token_types", "scopes", "unavoidable_scopes", "bearer_words", "refusals", "later"}
TABLES = {"scope_names", "authorization_parameters"}
RULES = {"offline", "refresh"}
TEXTS = ADDRESSES | WORDS | FILES | POINTERS

NUMBERS = ("5", "-1", "1.5", "nan", "inf", "0x10", "9223372036854775807")
OTHERS = ("2026-11-29", "2026-11-29T10:00:00Z", "10:00:00")
ARRAYS = ("[]", "['a']", "[5]", "[['a']]")
OBJECTS = ("{}", "{a = 'b'}", "{a = 5}")
ODD_TEXTS = (r'"a b"', r'"a\n"', r'"\u0000"', '"ä"')


def write(folder: Path, fields: dict[str, str]) -> Path:
    """A file with one provider."""
    (folder / "secret").write_text("s3cret-value\n")
    (folder / "secret").chmod(0o400)
    path = folder / "providers.toml"
    lines = [f"{name} = {value}" for name, value in fields.items()]
    path.write_text("\n".join(['default = "main"', "[providers.main]", *lines, ""]))
    return path


def complaint(path: Path) -> str:
    """What is wrong with the file, in one line that begins with its name."""
    with pytest.raises(ValueError) as refused:
        provider_file.read(path)
    line = str(refused.value)
    assert line.startswith(f"{path}: ")
    assert line.isprintable(), "more than one line"
    assert "s3cret-value" not in line
    return line.removeprefix(f"{path}: ")


WRONG = [
    *product(sorted(TEXTS), ("true", *NUMBERS, *OTHERS, *ARRAYS, *OBJECTS)),
    *product(sorted(FLAGS), ('"true"', '""', *NUMBERS, *OTHERS, *ARRAYS, *OBJECTS)),
    *product(sorted(SETS), ('"a"', '""', "true", "[5]", "[['a']]", "[true]", "[{}]", *NUMBERS, *OTHERS, *OBJECTS)),
    *product(sorted(SETS), (r"['a b']", r"['']", r'["a\n"]', "['ä']", "['x', 5]")),
    *product(sorted(TABLES), ('"a"', "true", "{a = 5}", "{a = ['b']}", "{a = {}}", *NUMBERS, *OTHERS, *ARRAYS)),
    *product(sorted(TABLES), (r'{"" = "a"}', r'{"a b" = "a"}', r'{"a\n" = "a"}')),
    *product(sorted(RULES), ('"30d"', "true", *NUMBERS, *OTHERS, "['a']", "{a = 'b'}")),
    *product(sorted(RULES), [f"{{{rule} = {value}}}" for rule in ("idle", "maximum") for value in ('"30"', "30")]),
    *product(sorted(WORDS - {"scope_delimiter"}), ODD_TEXTS),
    *product(sorted(ADDRESSES), ('"x"', '"ftp://x.example"', '"https://"', '"//x.example"', '"https://x.example:0/"')),
    *product(sorted(ADDRESSES), ('"https://x.example/?a=b"', '"https://x.example/#a"', r'"https://x.example:port/"')),
    *product(sorted(POINTERS), ('"a"', '"a/b"', '"/~"', '"/a~2b"', r'"/a\n"')),
    *product(sorted(FILES), ('""', '"nowhere"', '"."', r'"\u0000"', f'"{"x" * 5000}"')),
    *product(("clock_skew", "access_lifetime"), ('"0s"', '"60"', '"1 h"', '"1w"', '"-5s"', '"9999999s"', '"1.5h"')),
]
"""Fields and values that are wrong for them. A field that is of no use without another one is wrong, too."""


@pytest.mark.parametrize("field", sorted(TEXTS | FLAGS | SETS | TABLES | RULES))
def test_each_kind_of_wrong_value_is_told_with_file_provider_and_field(tmp_path: Path, field: str) -> None:
    """In one line, without the value."""
    values = [value for name, value in WRONG if name == field]
    assert len(values) > 10
    for value in values:
        line = complaint(write(tmp_path, {**NEEDED, field: value}))
        assert line.startswith("provider main: "), value
        assert field in line.removeprefix("provider main: "), value


def test_no_field_is_left_out() -> None:
    """Of a provider's table, and of the rules in it."""
    assert set(ProviderTable.__struct_fields__) == TEXTS | FLAGS | SETS | TABLES | RULES
    assert set(ExpiryTable.__struct_fields__) == {"idle", "maximum"}


@pytest.mark.parametrize("field", sorted(ProviderTable.__struct_fields__))
def test_a_misspelt_field_is_told_and_a_secret_in_the_wrong_place_is_not(tmp_path: Path, field: str) -> None:
    """Whatever the field, its value is not shown: somebody may have pasted the secret there."""
    for misspelt in (f"{field}s", field.upper(), f" {field}", field.replace("_", "-") + "-"):
        line = complaint(write(tmp_path, {**NEEDED, f'"{misspelt}"': '"s3cret-value"'}))
        assert line.startswith("provider main: ")
        assert misspelt in line
    with suppress(ValueError):
        provider_file.read(write(tmp_path, {**NEEDED, field: '"other-value"'}))
        return
    complaint(write(tmp_path, {**NEEDED, field: '"s3cret-value"'}))


@pytest.mark.parametrize("field", sorted(NEEDED))
def test_a_field_that_is_missing_is_told(tmp_path: Path, field: str) -> None:
    """With its provider."""
    fields = {name: value for name, value in NEEDED.items() if name != field}
    line = complaint(write(tmp_path, fields))
    assert line.startswith("provider main: ")
    assert field in line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "missing required field"),
        ("default = 5\n[providers.a]", "$.default"),
        ("default = []\n[providers.a]", "$.default"),
        ("providers = 5\ndefault = 'a'", "$.providers"),
        ("providers = {}\ndefault = 'a'", "$.providers"),
        ("providers = []\ndefault = 'a'", "$.providers"),
        ("more = 1\ndefault = 'a'\n[providers.a]", "`more`"),
        ("default = 'a'\nproviders.a = 5", "provider a: "),
        ("default = 'a'\nproviders.a = []", "provider a: "),
        ("default = 'a'\n[[providers.a]]", "provider a: "),
        ("default = 'a'\n[providers.'a b']", "provider 'a b': a name is"),
        ("default = 'a'\n[providers.'']", "provider '': a name is"),
        (f"default = 'a'\n[providers.{'a' * 5000}]", "a name is"),
        (r'default = "a"' + "\n" + r'[providers."a\nb"]', "a name is"),
        ("default = 'a'\ndefault = 'b'", "is not TOML"),
        ("default = 'a'\n[providers.a]\nissuer = 'x'\nissuer = 's3cret-value'", "is not TOML"),
        ("default = 'a\n[providers.a]", "is not TOML"),
        ("\0", "is not TOML"),
        ("a = " + "[" * 100_000, "is not TOML"),
        (b"\xff\xfed", "is not TOML"),
        ("[" * 5_000_000, "is not TOML"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_is_wrong_as_a_whole_is_told_in_one_line(tmp_path: Path, content: str | bytes, told: str) -> None:
    """It begins with the name of the file."""
    path = tmp_path / "providers.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    line = complaint(path)
    assert told in line
    assert len(line) < 300


def test_an_editors_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Windows writes one."""
    path = write(tmp_path, NEEDED)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert provider_file.read(path).default == "main"
