"""Raw HTTP: who is let in, and what becomes of calls that are no good."""

from __future__ import annotations

import http.client
import json
import ssl
import stat
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lakeflow.cli.main import run_command
from lakeflow.cli.session import open_session
from lakeflow.core.errors import ConfigurationError
from lakeflow.server.listen import Address, check_reach
from lakeflow.server.security import token_of
from tests.unit.server.conftest import TOKEN, Client, start

AUTH = {"Authorization": f"Bearer {TOKEN}"}
JSON = {**AUTH, "Content-Type": "application/json"}


@pytest.fixture
def ask(served):
    """Sends a call as it is; returns status, headers and JSON."""

    def ask(method, path, headers=AUTH, body=None, host=None):
        at = urlsplit(served.address)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host or at.netloc)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        found = json.loads(text) if text.startswith(b"{") else text
        return answer.status, dict(answer.getheaders()), found

    return ask


PATHS = (
    "/api/2.2/jobs/list",
    "/api/2.0/preview/scim/v2/Me",
    "/api/lakeflow/events",
    "/api/2.2/openapi.json",
    "/metrics",
    "/nowhere",
    "/",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_needs_the_token(ask, path):
    for headers in (
        {},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer ü"},
    ):
        encoded = {name: value.encode() for name, value in headers.items()}
        status, _, found = ask("GET", path, encoded)
        assert (status, found["error_code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("path", ["/health", "/ready", "/.well-known/databricks-config"])
def test_what_anybody_may_ask(ask, path):
    status, headers, _ = ask("GET", path, {})
    assert status == 200
    assert headers["x-databricks-org-id"] == "1"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:80", "@"])
def test_another_name_of_the_server_is_refused(ask, host):
    status, _, found = ask("GET", "/api/2.2/jobs/list", host=host or " ")
    assert (status, found["error_code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80"])
def test_names_of_this_machine_are_taken(ask, host):
    assert ask("GET", "/api/2.2/jobs/list", host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/health", "/api/2.2/jobs/list"])
def test_pages_of_other_sites_are_refused(ask, headers, path):
    status, answered, _ = ask("GET", path, {**AUTH, **headers})
    assert status == 403
    assert "access-control-allow-origin" not in answered


def test_its_own_pages_are_let_in(ask, served):
    headers = {**AUTH, "Origin": served.address, "Sec-Fetch-Site": "same-origin"}
    assert ask("GET", "/api/2.2/jobs/list", headers)[0] == 200


def test_a_form_of_another_page_is_no_call(ask):
    body = b'{"name": "x"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        status, _, _ = ask("POST", "/api/2.2/jobs/create", {**AUTH, "Content-Type": kind}, body)
        assert status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'"x"',
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_not_json_is_refused(ask, body):
    status, _, found = ask("POST", "/api/2.2/jobs/create", JSON, body)
    assert status == 400
    assert found["error_code"] in ("MALFORMED_REQUEST", "INVALID_PARAMETER_VALUE")


def test_what_is_too_large_is_refused_before_it_is_read(ask):
    headers = {**JSON, "Content-Length": str(11 * 2**20)}
    status, _, found = ask("POST", "/api/2.2/jobs/create", headers, b"{}")
    assert (status, found["error_code"]) == (413, "REQUEST_ENTITY_TOO_LARGE")


def test_what_is_too_large_is_refused_while_it_is_read(served):
    at = urlsplit(served.address)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
    chunks = (b"x" * 2**20 for _ in range(12))
    try:
        connection.request("POST", "/api/2.2/jobs/create", chunks, JSON, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # it had heard enough
    finally:
        connection.close()


def test_wrong_methods_and_paths(ask):
    status, _, found = ask("DELETE", "/api/2.2/jobs/create")
    assert (status, found["message"]) == (
        405,
        "/api/2.2/jobs/create does not answer to DELETE. Use POST.",
    )
    for path in (
        "/api/2.9/jobs/get",
        "/api/2.2/jobs/get/x",
        "/api/2.0/pipelines/../../../x",
        "/a%00",
    ):
        status, _, found = ask("GET", path)
        assert (status, found["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    for path in ("/api/2.2/jobs/list", "/api/lakeflow/events"):
        assert ask("HEAD", path)[::2] == (200, b"")


@pytest.mark.parametrize("value", ["x", "", "1.5", "99999999999999999999", "%00", "1;DROP", "٣"])
def test_numbers_are_numbers(ask, value):
    from urllib.parse import quote

    status, _, found = ask("GET", f"/api/2.2/jobs/get?job_id={quote(value, safe='%')}")
    assert (status, found["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_missing_is_named(ask):
    status, _, found = ask("GET", "/api/2.2/jobs/get")
    assert (status, found["message"]) == (400, "job_id is missing. It says: The job.")


def test_answers_forbid_what_browsers_would_do_with_them(ask):
    _, headers, _ = ask("GET", "/api/2.2/jobs/list")
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_metrics_are_counted(ask):
    ask("GET", "/api/2.2/jobs/list")
    _, headers, text = ask("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"\nlakeflow_up 1\n" in text
    assert b'lakeflow_calls_total{call="GET /api/2.2/jobs/list",status="200"}' in text


def test_a_token_is_made_and_kept_and_nobody_else_reads_it(tmp_path):
    served = start(tmp_path, token=None)
    path = tmp_path / "home" / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    made = path.read_text()
    assert served.stop() == 0
    assert made.strip() not in served.said
    assert str(path) in served.said
    again = start(tmp_path, token=None)
    assert path.read_text() == made
    assert again.stop() == 0


def test_other_machines_need_a_token_and_tls(tmp_path):
    said = "there is no LAKEFLOW_TOKEN and no --tls-cert and --tls-key"
    with pytest.raises(AssertionError, match=said):
        start(tmp_path, "--host", "0.0.0.0", token=None)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("address", "token", "said"),
    [
        (Address("0.0.0.0"), TOKEN, "there is no --tls-cert and --tls-key"),
        (Address("::"), TOKEN, "there is no --tls-cert and --tls-key"),
        (Address("0.0.0.0", 0, Path(__file__), Path(__file__)), None, "there is no LAKEFLOW_TOKEN"),
        (Address(certificate=Path("nowhere.pem")), TOKEN, "there is no file nowhere.pem"),
        (Address(certificate=Path(__file__)), TOKEN, "belong together"),
        (Address("no.such.host.invalid"), TOKEN, "is not an address of this machine"),
    ],
)
def test_what_is_refused_at_start(address, token, said):
    with pytest.raises(ConfigurationError, match=said):
        check_reach(address, token)


@pytest.mark.parametrize("token", ["short", "", "with spaces 0123456789", "ü" * 20, "\n" * 20])
def test_a_token_that_keeps_nobody_out_is_refused(tmp_path, token):
    with pytest.raises(ConfigurationError, match="at least 16 characters"):
        token_of(tmp_path, token)


def test_a_token_that_others_can_read_is_refused(tmp_path):
    _, path = token_of(tmp_path, None)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="Others can read the token"):
        token_of(tmp_path, None)


def test_tls_is_spoken(tmp_path):
    pytest.importorskip("cryptography")
    certificate, key = certified(tmp_path)
    options = ("--tls-cert", str(certificate), "--tls-key", str(key), "--host", "0.0.0.0")
    served = start(tmp_path, *options, "--allow-host", "Lake.Example")
    port = urlsplit(served.address).port
    assert served.address == f"https://0.0.0.0:{port}"
    trusted = ssl.create_default_context(cafile=certificate)
    for host, status in (("localhost", 200), ("lake.example", 200), ("evil.example", 403)):
        connection = http.client.HTTPSConnection("localhost", port, context=trusted, timeout=30)
        connection.request("GET", "/api/2.2/jobs/list", headers={**AUTH, "Host": host})
        assert connection.getresponse().status == status
        connection.close()
    assert served.stop() == 0


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate of localhost that it has signed itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_a_task_does_not_see_the_token(served, ask):
    script = served.home.parent / "environment.py"
    script.write_text(
        "import os; print('LAKEFLOW_TOKEN' in os.environ, os.environ['LAKEFLOW_HOME'])"
    )
    task = {"task_key": "t", "spark_python_task": {"python_file": str(script)}}
    body = json.dumps({"tasks": [task]}).encode()
    _, _, made = ask("POST", "/api/2.2/jobs/runs/submit", JSON, body)
    client = Client(served)
    run = client.ended(made["run_id"])
    assert client.jobs.get_run_output(run.run_id).logs == f"False {served.home}\n"


def test_an_answer_does_not_wait_for_another_packet(served):
    """Unless asyncio is told that a socket is TCP, each answer takes the 40 ms of a delayed ACK."""
    at = urlsplit(served.address)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=30)
    spent = []
    for _ in range(25):
        began = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        spent.append(time.perf_counter() - began)
    connection.close()
    assert sorted(spent)[12] < 0.03


def test_a_second_server_of_a_home_is_refused(served):
    with pytest.raises(AssertionError, match=f"at work.*{served.process.pid}.*{served.address}"):
        start(served.home.parent)


def test_a_certificate_that_is_none_is_told(tmp_path):
    (tmp_path / "no.pem").write_text("no")
    with pytest.raises(AssertionError, match="--tls-cert and --tls-key cannot be used"):
        start(tmp_path, "--tls-cert", "no.pem", "--tls-key", "no.pem")


def test_a_port_that_is_taken_is_told(served, tmp_path):
    port = str(urlsplit(served.address).port)
    with pytest.raises(AssertionError, match=f"127.0.0.1:{port} cannot be listened at"):
        start(tmp_path, "--port", port)


def test_packages_that_are_missing_are_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run_command(["serve"], open_session) == 2
    assert "pip install 'lakeflow-open[server]'" in capsys.readouterr().err
