"""The file that describes services, and what is wrong with one."""

from pathlib import Path

import pytest

from vault_service import services_file

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "services.example.toml"
MINIMAL = '[services.hub]\nname = "Hub"\nreturn_to = ["https://hub.example/"]\n'


def test_the_example_file_can_be_read() -> None:
    """The file that operators copy is valid."""
    hub = services_file.read(EXAMPLE)["jupyterhub"]
    assert hub.name == "JupyterHub"
    assert hub.return_to == ("https://hub.example.org/hub/", "https://hub.example.org/services/vault/done")


def test_no_file_means_no_services() -> None:
    """Then no service can ask."""
    assert services_file.optional_services("").by_client == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"Hub"', '""'), "service hub: Expected `str` of length >= 1"),
        (('"Hub"', '"H\\u0007b"'), "service hub: Expected `str` matching regex"),
        (("name", "nam"), "service hub: Object contains unknown field `nam`"),
        (('"https://hub.example/"', '"hub.example"'), "service hub: return_to: is not an absolute http(s) URL"),
        (('"https://hub.example/"', '"https://a@hub.example/"'), "service hub: return_to: has user information"),
        (('"https://hub.example/"', '"https://hub.example/?a=1"'), "service hub: return_to: has a query"),
        (("[services.hub]", "[service.hub]"), "Object contains unknown field `service`"),
        (("[services.hub]", "[services.hub"), "is not TOML"),
    ],
    ids=str,
)
def test_a_faulty_file_is_told_in_one_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """The line names file, service and field."""
    path = tmp_path / "services.toml"
    path.write_text(MINIMAL)
    assert list(services_file.read(path)) == ["hub"]
    path.write_text(MINIMAL.replace(*change))
    with pytest.raises(ValueError, match=r"services\.toml: ") as refused:
        services_file.read(path)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
