"""The options of a stack, and those that it remembers."""

import pytest

from local_stack import options
from local_stack.options import ROOT, StackError, read_env_file, write_private


def remembering(folder, **values):
    write_private(folder / "stack.env", "".join(f"{name}={value}\n" for name, value in values.items()))
    return {"STATE_DIR": str(folder)}


def test_the_defaults_are_those_of_the_document(tmp_path):
    assert options.read({}).state_dir == ROOT / ".local"
    chosen = options.read({"STATE_DIR": str(tmp_path)})
    assert chosen.gateway_url == "http://localhost:3000"
    assert (chosen.idp_kind, chosen.issuer) == ("dev", "http://localhost:8080/realms/demo")


def test_variables_that_make_hands_on_empty_count_as_not_given():
    assert options.read(dict.fromkeys(("STATE_DIR", "GATEWAY_PORT", "IDP_PORT", "IDP"), "")) == options.read({})


def test_a_stack_remembers_its_ports_and_its_authorization_server(tmp_path):
    issuer = "http://localhost:4080/realms/demo"
    environ = remembering(tmp_path, IDP="keycloak", GATEWAY_URL="http://localhost:4000", ISSUER=issuer)
    chosen = options.read(environ)
    assert (chosen.gateway_port, chosen.idp_port, chosen.idp, chosen.issuer) == (4000, 4080, "keycloak", issuer)


def test_what_is_said_now_wins_over_what_is_remembered(tmp_path):
    environ = remembering(tmp_path, IDP="dev", GATEWAY_URL="http://localhost:4000", ISSUER="http://localhost:4080/x")
    chosen = options.read({**environ, "GATEWAY_PORT": "5000", "IDP_PORT": "5080"})
    assert (chosen.gateway_port, chosen.idp_port) == (5000, 5080)


def test_an_issuer_that_is_there_already_is_remembered(tmp_path):
    issuer = "https://login.example/realms/x"
    chosen = options.read(remembering(tmp_path, IDP="external", ISSUER=issuer))
    assert (chosen.idp_kind, chosen.issuer, chosen.idp_port) == ("external", issuer, 8080)


def test_an_issuer_is_named_to_the_letter():
    assert options.read({"IDP": "https://login.example/realms/x/"}).issuer == "https://login.example/realms/x/"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "3000 "])
def test_what_is_no_port_is_refused_by_name(port):
    with pytest.raises(StackError, match=r"GATEWAY_PORT=.* is not a port number"):
        options.read({"GATEWAY_PORT": port})


def test_an_unknown_kind_of_authorization_server_is_refused():
    with pytest.raises(StackError, match="IDP=okta is neither"):
        options.read({"IDP": "okta"})


def test_an_env_file_is_read_as_it_was_written_and_a_missing_one_is_empty(tmp_path):
    file = tmp_path / "stack.env"
    assert read_env_file(file) == {}
    write_private(file, "URL=postgresql://u:p@h/d?a=b\nEMPTY=\n")
    assert read_env_file(file) == {"URL": "postgresql://u:p@h/d?a=b", "EMPTY": ""}


def test_private_files_are_for_their_owner_only_and_are_replaced_whole(tmp_path):
    file = tmp_path / "secret"
    write_private(file, "old", mode=0o400)
    write_private(file, "new", mode=0o400)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o400)
    assert list(tmp_path.iterdir()) == [file]
