"""The gateway's templates: complete, and written so that containers can use them as well."""

import re

import pytest

from local_stack import gateway
from local_stack.gateway import TEMPLATES

KNOWN = {
    "GATEWAY_LISTEN",
    "PUBLIC_URL",
    "NGINX_WORKERS",
    "VAULT_UPSTREAM",
    "TASK_UPSTREAM",
    "NAMESERVER",
    "TRUSTED_PROXY",
    "FRONTEND_ROOT",
    "DOCS_ROOT",
    "ISSUER",
    "ISSUER_ORIGIN",
    "UI_CLIENT_ID",
    "NGINX_RUN_DIR",
}


def texts():
    return {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.template")}


def locations():
    blocks = re.findall(r"location ([^{]+)\{(.*?)\n        \}", texts()["nginx.conf.template"], re.DOTALL)
    return [pytest.param(body, id=name.strip()) for name, body in blocks]


def test_placeholders_are_filled_in_and_nginx_keeps_its_own_variables():
    rendered = gateway.render("listen ${GATEWAY_LISTEN}; set $uri;", {"GATEWAY_LISTEN": "127.0.0.1:1"})
    assert rendered == "listen 127.0.0.1:1; set $uri;"


def test_a_placeholder_that_nobody_fills_in_is_an_error():
    with pytest.raises(KeyError):
        gateway.render("${UNKNOWN}", {})


def test_the_templates_use_the_agreed_placeholders_and_no_other():
    assert {name for text in texts().values() for name in re.findall(r"\$\{(\w+)\}", text)} == KNOWN


def test_the_image_knows_how_many_workers_there_are_whatever_the_machine():
    """As many as there are cores would need more than a container's limit of memory on a great one."""
    image = (gateway.ROOT / "frontend" / "Dockerfile").read_text(encoding="utf-8")
    assert " NGINX_WORKERS=2\n" in image


@pytest.mark.parametrize("body", locations())
def test_every_location_includes_the_security_headers(body):
    assert re.search(r"include (security-headers|api|problem)\.conf;", body)


def test_the_snippets_bring_the_security_headers_with_them():
    for name in ("api.conf.template", "problem.conf.template"):
        assert "include security-headers.conf;" in texts()[name]


def test_forwarding_headers_are_set_never_appended():
    assert "proxy_add_x_forwarded_for" not in "".join(texts().values())


def test_the_access_log_has_no_query_string():
    assert not re.search(r"\$(request|request_uri|args|query_string|http_referer)\b", log_format())


def log_format():
    return texts()["nginx.conf.template"].partition("log_format gateway")[2].partition(";\n")[0]
