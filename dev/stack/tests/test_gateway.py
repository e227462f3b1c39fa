"""nginx with the real configuration, between a client and two upstreams that say what they were sent."""

import json
import os
import resource
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from local_stack import gateway, ports
from local_stack.process import Processes

pytestmark = pytest.mark.process

API = "/api/tasks"
ISSUER = "https://login.example/realms/x"
CODES = {400: "bad_request", 404: "not_found", 413: "body_too_large", 429: "rate_limited", 503: "service_unavailable"}


class Mirror(BaseHTTPRequestHandler):
    """Answers with what it was sent. A request for …/missing gets a problem of the service's own."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = {
            "upstream": self.server.name,
            "target": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
        }
        body = json.dumps(told).encode()
        self.send_response(404 if self.path.endswith("/missing") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Request-ID", "the upstream's own")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def log_message(self, *arguments):
        """Be quiet."""


@contextmanager
def mirror(name):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.name = name
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a gateway")  # a checkout may lie in a folder with a space in its name


@pytest.fixture(scope="module")
def page(folder):
    root = folder / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>Tasks</title>")
    (root / "assets" / "app-4f3a.js").write_text("export {};\n" * 200)
    (root / "favicon.svg").write_text("<svg/>")
    (root / "secret.txt").write_text("not for anybody")
    docs = root.parent / "docs"
    docs.mkdir()
    (docs / "index.html").write_text("<!doctype html><title>Documentation</title>")
    (docs / "chunk.mjs").write_text("export {};")
    return root


def start(processes, folder, page, vault, tasks, trusted_proxy=gateway.NO_PROXY):
    folder.mkdir(exist_ok=True)
    port = ports.choose(folder / "ports.json", ["gateway"], set())["gateway"]
    url = f"http://localhost:{port}"
    values = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "PUBLIC_URL": url,
        "NGINX_WORKERS": "2",
        "VAULT_UPSTREAM": vault,
        "TASK_UPSTREAM": tasks,
        "NAMESERVER": "127.0.0.1",
        "TRUSTED_PROXY": trusted_proxy,
        "FRONTEND_ROOT": str(page),
        "DOCS_ROOT": str(page.parent / "docs"),
        "ISSUER": ISSUER,
        "ISSUER_ORIGIN": "https://login.example",
        "UI_CLIENT_ID": "task-ui",
    }
    part = gateway.part(folder, url, values)
    processes.start(part)
    processes.wait_ready(part)
    return SimpleNamespace(url=url, port=port, log=Path(processes.log("gateway")))


@pytest.fixture(scope="module")
def running(folder, page):
    processes = Processes(folder, folder)
    with mirror("vault") as vault, mirror("tasks") as tasks:
        try:
            yield start(processes, folder / "nginx", page, vault, tasks)
        finally:
            processes.stop("gateway")


@pytest.fixture
def get(running):
    with requests.Session() as session:
        yield lambda path, **options: session.get(running.url + path, allow_redirects=False, timeout=10, **options)


def raw(running, request):
    """Send bytes as they are: `requests` would tidy up the path."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()


def problem(answer):
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told["status"] == answer.status_code
    assert told["requestId"] == answer.headers["X-Request-ID"]
    return told["code"]


def test_the_root_leads_to_the_page(get):
    answer = get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/tasks")


@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks?error=consent_denied", "/tasks/task-1", "/access", "/access/1a2b-3c"]
)
def test_pages_are_the_one_file_and_are_asked_for_each_time(get, path):
    answer = get(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert "<title>Tasks</title>" in answer.text


def test_assets_are_kept_for_ever_and_travel_compressed(get):
    answer = get("/assets/app-4f3a.js")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (answer.headers["Content-Type"], answer.headers["Content-Encoding"]) == (
        "text/javascript; charset=utf-8",
        "gzip",
    )


def test_an_asset_that_is_not_there_is_not_missing_for_ever(get):
    answer = get("/assets/app-0000.js")
    assert answer.status_code == 404
    assert "Cache-Control" not in answer.headers


def test_the_page_is_told_its_issuer_and_client(get):
    answer = get("/config.json")
    assert answer.json() == {"issuer": ISSUER, "clientId": "task-ui"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/api/tasks", "tasks"),
        ("/api/tasks/task-1/execute?a=%2F&b=c", "tasks"),
        ("/api/tasks/openapi.json", "tasks"),
        ("/api/auth/manager/offline-consent", "vault"),
        ("/api/auth/manager/tokens/1", "vault"),
        ("/api/auth/manager/offline-callback?state=s&code=c", "vault"),
    ],
)
def test_apis_go_to_their_service_with_path_and_query_as_they_came(get, path, upstream):
    told = get(path).json()
    assert (told["upstream"], told["target"]) == (upstream, path)


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api",
        "/api/",
        "/api/tasksx",
        "/api/auth/manager",
        "/api/auth/managers/tokens",
        "/api/auth",
        "/index.html",
        "/secret.txt",
        "/tasks/../secret.txt",
        "/assets/../secret.txt",
        "/api/tasks/../../readyz",
        "/api/tasks/%2e%2e/%2e%2e/readyz",
        "/api/tasks/..%2f..%2freadyz",
        "/.git/config",
    ],
)
def test_what_is_not_on_the_list_is_not_there(running, path):
    answer = raw(running, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 404")
    assert json.loads(body)["code"] == "not_found"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost.evil.example", "[::1]", "ocalhost"])
def test_another_host_is_not_served(get, running, host):
    """A page that resolves its own name to this machine (DNS rebinding) reads nothing."""
    for path in (API, "/assets/app-4f3a.js", "/_bad_request/x"):
        answer = get(path, headers={"Host": host})
        assert (answer.status_code, problem(answer)) == (
            (404, "not_found") if "_" in path else (421, "misdirected_request")
        )
    assert running.url in get(API, headers={"Host": host}).json()["detail"]


@pytest.mark.parametrize("path", ["/", "/tasks", "/access/1a2b-3c"])
def test_a_page_asked_for_by_address_leads_to_the_one_name(get, running, path):
    """`127.0.0.1` typed for `localhost`: signing in would fail there, because only one address is registered."""
    answer = get(f"{path}?next=//evil.example", headers={"Host": f"127.0.0.1:{running.port}"})
    assert (answer.status_code, answer.headers["Location"]) == (302, running.url + path)


def test_a_probe_by_address_is_answered(get):
    assert get("/config.json", headers={"Host": "10.1.2.3:3000"}).status_code == 200


def test_the_request_id_is_the_gateways_upstream_and_in_the_answer(get):
    answer = get(API, headers={"X-Request-ID": "forged"})
    ours = answer.headers["X-Request-ID"]
    assert len(ours) == 32
    assert answer.json()["headers"]["x-request-id"] == ours


@pytest.mark.parametrize(
    "name",
    ["X-Real-IP", "X-User", "X-Remote-User", "Remote-User", "Forwarded", "X-Forwarded-User", "X-Auth-Request-User"],
)
def test_what_a_client_claims_about_itself_does_not_travel(get, name):
    assert name.lower() not in get(API, headers={name: "root"}).json()["headers"]


def test_forwarding_headers_are_the_gateways_own(get, running):
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    sent = get(API, headers=forged).json()["headers"]
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert (sent["x-forwarded-host"], sent["x-forwarded-proto"]) == ("localhost", "http")


def test_of_two_hosts_in_a_request_the_address_s_own_counts_and_the_other_does_not_travel(running):
    """RFC 9112 section 3.2.2: an absolute address replaces `Host`, which could then claim anything."""
    ask = f"GET http://{{}}{API} HTTP/1.1\r\nHost: {{}}\r\nConnection: close\r\n\r\n"
    served = raw(running, ask.format(f"localhost:{running.port}", "evil.example").encode())
    assert served.startswith("HTTP/1.1 200")
    assert "evil.example" not in served
    refused = raw(running, ask.format("evil.example", f"localhost:{running.port}").encode())
    assert refused.startswith("HTTP/1.1 421")
    twice = f"GET {API} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(running, twice.encode()).startswith("HTTP/1.1 400")


def test_credentials_and_conditions_travel(get):
    sent = get(API, headers={"Authorization": "Bearer x", "If-None-Match": 'W/"1"', "Cookie": "a=b"}).json()["headers"]
    assert (sent["authorization"], sent["if-none-match"], sent["cookie"]) == ("Bearer x", 'W/"1"', "a=b")


@pytest.mark.parametrize(
    "path", ["/", "/tasks", "/assets/app-4f3a.js", "/favicon.svg", "/config.json", API, "/nowhere", "/assets/none"]
)
def test_every_answer_carries_the_security_headers(get, path):
    headers = get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' https://login.example;" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "nginx"
    assert len(headers["X-Request-ID"]) == 32


def test_the_documentation_has_a_policy_of_its_own(get):
    """The policy allows styles of elements. Scripts are files, and all content is from the same origin."""
    answer = get("/docs/")
    assert "Documentation" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';" in policy
    assert "http" not in policy
    assert get("/docs/chunk.mjs").headers["Content-Type"].startswith("text/javascript")
    assert get("/docs").headers["Location"] == "/docs/"


@pytest.mark.parametrize("path", ["/docs/none.html", "/docs/..%2fdist/secret.txt", "/docs/none/"])
def test_a_page_that_the_documentation_does_not_have_is_a_problem(get, path):
    answer = get(path)
    assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_a_services_own_problem_passes_as_it_is(get):
    answer = get("/api/tasks/missing")
    assert (answer.status_code, answer.json()["upstream"]) == (404, "tasks")


def test_a_body_of_64_kib_passes_and_a_larger_one_is_a_problem(running):
    def post(size):
        return requests.post(running.url + API, data=b"x" * size, timeout=10)

    assert post(64 * 1024).status_code == 200
    answer = post(64 * 1024 + 1)
    assert (answer.status_code, problem(answer)) == (413, "body_too_large")


def test_a_header_that_is_too_long_is_a_problem(get):
    answer = get(API, headers={"X-Long": "x" * 20_000})
    assert (answer.status_code, problem(answer)) == (431, "header_too_large")


def test_an_address_that_is_too_long_is_a_problem(get):
    answer = get(f"{API}?q={'x' * 20_000}")
    assert (answer.status_code, problem(answer)) == (414, "uri_too_long")


def test_what_is_no_http_is_a_problem(running):
    answer = raw(running, b"GET /api/tasks HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400")
    assert '"code":"bad_request"' in answer


def test_a_flood_is_slowed_down_with_a_problem(running):
    address = f"{running.url}/api/auth/manager/offline-consent"
    with requests.Session() as session, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: session.post(address, timeout=10), range(120)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(answers) - len(refused) >= 40
    assert refused
    assert problem(refused[0]) == "rate_limited"
    assert refused[0].headers["Retry-After"] == "1"


@contextmanager
def held_connections(running, number, sent):
    """So many connections from one address, each of which has sent the bytes and waits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < number + 200:
        pytest.skip(f"this account may open {hard} files; the test needs {number + 200}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number + 200), hard))
    held = []
    try:
        for _ in range(number):
            held.append(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            held[-1].sendall(sent)
        yield held
    finally:
        for each in held:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_4500_half_requests_of_one_address_keep_nobody_out(running):
    """Such requests once filled all connections, and others waited for 11 s."""
    half = b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    with held_connections(running, 4500, half):
        assert requests.get(running.url + API, timeout=3).status_code == 200


def test_slow_bodies_of_one_address_are_counted_and_others_served(running):
    """The bodies come in two groups, so that the limit of requests a second admits them all."""
    slow = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx"
    with held_connections(running, 380, slow):
        time.sleep(2)  # the limit of requests a second forgets the first crowd
        with (
            held_connections(running, 150, slow) as held,
            socket.create_connection(("127.0.0.1", running.port), timeout=5, source_address=("127.0.0.2", 0)) as other,
        ):
            held[-1].settimeout(3)
            assert held[-1].recv(20).startswith(b"HTTP/1.1 429")
            other.sendall(b"GET /config.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert other.recv(20).startswith(b"HTTP/1.1 200")


def test_behind_a_trusted_proxy_each_client_is_counted_for_itself(folder, page):
    """One who floods leaves the others alone; and what a client adds to the header counts for nothing."""
    place = folder / "proxied"
    place.mkdir()
    processes = Processes(place, place)
    with mirror("vault") as vault, mirror("tasks") as tasks, requests.Session() as session:
        try:
            proxied = start(processes, place, page, vault, tasks, "127.0.0.0/8")

            def ask(forwarded):
                address = f"{proxied.url}/api/auth/manager/offline-consent"
                return session.post(address, headers={"X-Forwarded-For": forwarded}, timeout=10)

            with ThreadPoolExecutor(8) as pool:
                flood = list(pool.map(lambda number: ask(f"10.9.9.{number}, 192.0.2.1").status_code, range(120)))
            other = ask("192.0.2.2")
        finally:
            processes.stop("gateway")
    assert 429 in flood
    assert other.status_code == 200
    assert other.json()["headers"]["x-forwarded-for"] == "192.0.2.2"


def test_a_service_that_is_away_is_a_problem_that_says_when_to_come_back(folder, page):
    away = ports.choose(folder / "away.json", ["away"], set())["away"]
    processes = Processes(folder / "away", folder / "away")
    (folder / "away").mkdir()
    try:
        other = start(processes, folder / "away", page, f"127.0.0.1:{away}", f"127.0.0.1:{away}")
        answer = requests.get(other.url + API, timeout=10)
    finally:
        processes.stop("gateway")
    assert (answer.status_code, problem(answer)) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_the_log_is_json_that_holds_no_query_no_token_and_no_cookie(get, running):
    answer = get(
        f"{API}?state=hush", headers={"Authorization": "Bearer hush", "Cookie": "a=hush", "Referer": "http://x/?hush"}
    )
    while not (
        lines := [line for line in running.log.read_text().splitlines() if answer.headers["X-Request-ID"] in line]
    ):
        time.sleep(0.01)  # nginx answers first and writes then
    entry = json.loads(lines[0])
    assert (entry["path"], entry["status"], entry["method"]) == (API, 200, "GET")
    assert "hush" not in json.dumps(entry)


def test_a_killed_gateway_leaves_nobody_on_its_port(tmp_path, page):
    processes = Processes(tmp_path, tmp_path)
    try:
        own = start(processes, tmp_path / "nginx", page, "127.0.0.1:1", "127.0.0.1:1")
        os.kill(processes.pid("gateway"), signal.SIGKILL)
        while not processes.has_died("gateway"):
            time.sleep(0.01)
        assert not ports.is_free(own.port)
        processes.kill_remnants("gateway")
        assert ports.is_free(own.port)
    finally:
        processes.stop("gateway")
