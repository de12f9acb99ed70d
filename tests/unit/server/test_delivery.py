"""Notices reach real receivers: again after failures and kills, never with their secrets."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.settings import Settings
from lakeflow.jobs.control import create_job, run_now
from lakeflow.jobs.destinations import create_destination
from lakeflow.jobs.outbox import WAITS
from lakeflow.jobs.rows import JobEvent, NoticeRow, RunRow
from lakeflow.jobs.store import Reader
from lakeflow.server.compose import Server
from lakeflow.server.senders import Mail
from tests.unit.server.receivers import MailServer, Receiver
from tests.unit.server.test_http import certified

GATE = {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}


class Home:
    """A server that tells of runs which do nothing, with a clock that the test moves."""

    def __init__(self, folder: Path, address: str = "", **settings: str) -> None:
        self.folder = folder
        self.clock = FixedClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.events: list[JobEvent] = []
        self._heard = threading.Condition()
        self.server = Server(
            folder,
            Settings(lakehouse=folder / "lakehouse", **settings),
            address=address,
            listeners=[self._hear],
            clock=self.clock,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def _hear(self, event: JobEvent) -> None:
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()

    def until(self, kind: str, count: int = 1) -> list[JobEvent]:
        """The events of a kind, once there are so many."""

        def found() -> list[JobEvent]:
            return [each for each in self.events if each.type == kind]

        with self._heard:
            assert self._heard.wait_for(lambda: len(found()) >= count, 30), self.events
            return found()

    def run(self, *, name: str = "nightly", **told: object) -> int:
        job = {"name": name, "tasks": [{"task_key": "gate", **GATE}], **told}
        number = self.server.ask(lambda turn: create_job(turn, job, root="/", creator="me"))
        return self.server.ask(lambda turn: run_now(self.server.scheduler, turn, number))

    def notices(self) -> list[NoticeRow]:
        reader = Reader(self.folder / "jobs.db")
        found = reader.select(NoticeRow)
        reader.close()
        return found

    def until_tried(self, times: int) -> NoticeRow:
        """The one notice, once it has been tried in vain so often."""
        while (row := self.notices()[0]).tries < times:
            assert self.server.failure is None
            os.sched_yield()
        return row

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.server._delivery.wake()


def webhooks(event: str, *to: str) -> dict:
    return {"webhook_notifications": {event: [{"id": each} for each in to]}}


def emails(event: str, *to: str) -> dict:
    return {"email_notifications": {event: list(to)}}


def test_a_webhook_is_posted_to_its_url(tmp_path):
    with Receiver() as receiver, Home(tmp_path, "http://here:8080") as home:
        url = f"http://ann:p%40ss@127.0.0.1:{receiver.port}/hook?token=hush"
        run = home.run(**webhooks("on_success", url))
        (event,) = home.until("notice.delivered")
        (request,) = receiver.requests
        (row,) = home.notices()
    assert request.path == "/hook?token=hush"
    assert request.headers["Authorization"] == "Basic YW5uOnBAc3M="
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == request.body["notice_id"] == row.notice_id
    assert request.body == {
        "notice_id": row.notice_id,
        "timestamp": "2026-11-01T00:00:00+00:00",
        "event_type": "jobs.on_success",
        "workspace_id": "1",
        "run": {"run_id": str(run)},
        "job": {"job_id": str(row.job_id), "name": "nightly"},
        "run_page_url": f"http://here:8080/#job/{row.job_id}/run/{run}",
        "result_state": "SUCCESS",
    }
    assert event.message == f"http://127.0.0.1:{receiver.port} was told on_success."
    assert (event.run_id, row.state) == (run, "DELIVERED")


def test_a_webhook_is_posted_to_the_destination_with_its_id(tmp_path):
    with Receiver() as receiver, Home(tmp_path) as home:
        plain = home.server.ask(
            lambda turn: create_destination(turn, "ops", receiver.url, username="u", password="p")
        )
        chat = home.server.ask(
            lambda turn: create_destination(turn, "chat", f"{receiver.url}/chat", kind="SLACK")
        )
        home.run(**webhooks("on_start", plain, chat))
        home.until("notice.delivered", 2)
        requests = {request.path: request for request in receiver.requests}
    assert requests["/"].headers["Authorization"] == "Basic dTpw"
    assert requests["/"].body["event_type"] == "jobs.on_start"
    assert requests["/chat"].body == {"text": "Job nightly has started"}


def test_a_letter_is_sent(tmp_path):
    with MailServer() as mail, Home(tmp_path, smtp_url=mail.url, mail_from="jobs@x") as home:
        home.run(name="näch\ntlich", **emails("on_success", "ann@x", "bo@x"))
        home.until("notice.delivered", 2)
        letters = {letter["To"]: letter for letter in mail.letters}
        ids = {f"<{row.notice_id}@lakeflow>" for row in home.notices()}
    assert set(letters) == {"ann@x", "bo@x"}
    assert {letter["Message-ID"] for letter in letters.values()} == ids
    letter = letters["ann@x"]
    assert letter["From"] == "jobs@x"
    assert parsedate_to_datetime(letter["Date"]) == home.clock.now()
    text = letter.get_payload(decode=True).decode()
    assert text.startswith("Job näch tlich has succeeded.\r\n")
    assert '"event_type": "jobs.on_success"' in text


def test_a_notice_is_tried_again_when_it_is_time(tmp_path):
    with Receiver(lambda number: 200 if number > 2 else 503) as receiver, Home(tmp_path) as home:
        home.run(**webhooks("on_start", f"{receiver.url}/hush"))
        row = home.until_tried(1)
        assert row.failure == f"{receiver.url} answered 503."
        home.sleep(WAITS[0] - 1)
        home.sleep(1)
        home.until_tried(2)
        assert len(receiver.requests) == 2
        home.sleep(WAITS[1])
        home.until("notice.delivered")
        ids = {request.body["notice_id"] for request in receiver.requests}
    assert len(receiver.requests) == 3
    assert len(ids) == 1


def test_a_notice_is_given_up_in_the_end_and_the_run_is_not_the_worse_for_it(tmp_path):
    with Receiver(lambda _: 500) as receiver, Home(tmp_path) as home:
        run = home.run(**webhooks("on_start", f"{receiver.url}/hush"))
        for tries, wait in enumerate(WAITS, 1):
            home.until_tried(tries)
            home.sleep(wait)
        (event,) = home.until("notice.failed")
        reader = home.server.reader()
        assert reader.find(RunRow, run).result == "SUCCESS"
        reader.close()
    assert len(receiver.requests) == len(WAITS) + 1
    assert event.message == (
        f"{receiver.url} could not be told on_start after 7 tries: {receiver.url} answered 500."
    )


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def failures(home: Home) -> set[str]:
    home.until_tried(1)
    return {row.failure for row in home.notices()}


def test_what_cannot_be_reached_is_told_without_secrets(tmp_path):
    port = closed_port()
    with Home(tmp_path) as home:
        home.run(**webhooks("on_start", f"http://ann:hush@127.0.0.1:{port}/hush?x=hush"))
        assert failures(home) == {f"http://127.0.0.1:{port} was not reached: Connection refused."}


@pytest.mark.parametrize(
    "url", ["http://x:hush/", "http://[hush", "http://a b/hush", "http:///hush"]
)
def test_a_url_that_is_none_is_told_without_secrets(tmp_path, url):
    with Home(tmp_path) as home:
        home.run(**webhooks("on_start", url))
        (said,) = failures(home)
    assert "hush" not in said.replace("http://[hush", "")
    assert all("hush" not in event.message for event in home.events)


def test_a_redirection_is_not_followed(tmp_path):
    with Receiver(lambda _: 302) as receiver, Home(tmp_path) as home:
        home.run(**webhooks("on_start", receiver.url))
        (said,) = failures(home)
    assert said == f"{receiver.url} answered 302: give the address that it leads to."
    assert [request.path for request in receiver.requests] == ["/"]


def test_a_slow_destination_keeps_no_other_waiting(tmp_path):
    going = threading.Event()
    with (
        Receiver(lambda _: 200 if going.wait(30) else 500) as slow,
        Receiver() as quick,
        Home(tmp_path) as home,
    ):
        home.run(**webhooks("on_start", slow.url, quick.url))
        home.run(**webhooks("on_success", slow.url, quick.url))
        quick.wait(2)
        assert len(slow.requests) <= 1, "one at a time"
        going.set()
        slow.wait(2)
    assert [row.state for row in home.notices()] == ["DELIVERED"] * 4


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (emails("on_start", "ann@x"), "Set LAKEFLOW_SMTP_URL, such as smtp://host:587."),
        (webhooks("on_start", "nobody"), "Create it, or give its URL as the id."),
    ],
)
def test_what_nobody_can_deliver_is_told_once(tmp_path, told, said):
    with Home(tmp_path) as home:
        home.run(**told)
        (event,) = home.until("notice.failed")
        (row,) = home.notices()
    assert event.message.endswith(said)
    assert (row.state, row.tries) == ("FAILED", 1)


def test_an_address_that_the_mail_server_refuses(tmp_path):
    with MailServer() as mail, Home(tmp_path, smtp_url=mail.url) as home:
        home.run(**emails("on_start", "no@x"))
        assert failures(home) == {f"{mail.url} refused the address with 550."}
        home.run(**emails("on_start", "ann@x\nBcc: eve@x"))
        home.until("run.ended", 2)
    assert mail.letters == []


def test_a_password_is_not_told_to_a_mail_server_that_does_not_encrypt(tmp_path):
    with MailServer() as mail:
        url = mail.url.replace("//", "//ann:hush@")
        with Home(tmp_path, smtp_url=url) as home:
            assert "hush" not in repr(home.server.settings)
            assert not any("hush" in each for each in home.server.settings.environment().values())
            home.run(**emails("on_start", "ann@x"))
            (event,) = home.until("notice.failed")
    assert event.message.endswith(f"{mail.url} does not encrypt, so it is not told the password.")
    assert mail.letters == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_mail_server_that_encrypts_is_told_the_password(tmp_path, monkeypatch, scheme):
    pytest.importorskip("cryptography")
    certificate, key = certified(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with MailServer(context=context, at_once=scheme == "smtps") as mail:
        url = f"{scheme}://ann:PASSWORD@localhost:{mail.port}"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Home(tmp_path / "right", smtp_url=url.replace("PASSWORD", "p%40ss")) as home:
            home.run(**emails("on_start", "ann@x"))
            home.until("notice.delivered")
        (letter,) = mail.letters
        assert letter["From"] == "lakeflow@localhost"
        with Home(tmp_path / "wrong", smtp_url=url.replace("PASSWORD", "hush")) as home:
            home.run(**emails("on_start", "ann@x"))
            assert failures(home) == {f"{scheme}://localhost:{mail.port} answered 535."}
        monkeypatch.delenv("SSL_CERT_FILE")
        with Home(tmp_path / "unknown", smtp_url=url) as home:
            home.run(**emails("on_start", "ann@x"))
            (said,) = failures(home)
        assert said.startswith(f"{scheme}://localhost:{mail.port} did not take it:")
        assert len(mail.letters) == 1


def test_a_mail_server_that_hangs_is_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with Home(tmp_path) as home:
            home.server._delivery._senders["email"] = Mail(url, timeout=0.05)
            home.run(**emails("on_start", "ann@x"))
            assert failures(home) == {f"{url} broke off, or said nothing for 0.05 seconds."}


@pytest.mark.parametrize("text", ["hush", "http://hush", "smtp://", "smtp://a:hush"])
def test_a_mail_server_that_is_none_is_refused_without_its_secrets(text):
    with pytest.raises(ConfigurationError, match="write it like") as caught:
        Settings.load({"LAKEFLOW_SMTP_URL": text})
    assert "hush" not in str(caught.value)


def test_a_server_that_ends_waits_for_what_is_on_its_way_but_not_for_ever(tmp_path):
    with Receiver() as receiver:
        with Home(tmp_path / "a") as home:
            home.run(**webhooks("on_success", receiver.url))
        assert len(receiver.requests) == 1
        assert home.notices()[0].state == "DELIVERED"
    going = threading.Event()
    with Receiver(lambda _: 200 if going.wait(60) else 500) as receiver:
        home = Home(tmp_path / "b")
        home.run(**webhooks("on_success", receiver.url))
        receiver.wait(1)
        home.server._delivery.close(patience=0.05)
        home.server.close()
        going.set()
        assert home.notices()[0].state == "WAITING"
        with Home(tmp_path / "b") as home:
            home.until("notice.delivered")
        ids = [request.body["notice_id"] for request in receiver.requests]
    assert len(ids) == 2
    assert len(set(ids)) == 1


SERVER = """
import sys
from pathlib import Path
from typing import Self
from lakeflow.core.settings import Settings
from lakeflow.jobs.control import create_job, run_now
from lakeflow.server.compose import Server

home, job = Path(sys.argv[1]), {job}
with Server(home, Settings.load({{}}, lakehouse=home / "lakehouse")) as server:
    for number in range({runs}):
        if job:
            saved = server.ask(lambda turn: create_job(turn, job, root="/", creator="me"))
            server.ask(lambda turn: run_now(server.scheduler, turn, saved, token=str(number)))
"""


@pytest.mark.parametrize(
    "point",
    ["jobs.turn.committed:3", "jobs.turn.committed:5", "jobs.notice.sent:1", "jobs.notice.sent:3"],
)
def test_a_killed_server_loses_no_notice(tmp_path, point):
    def serve(job: dict | None, failpoint: str) -> int:
        program = SERVER.format(job=job, runs=3)
        environment = {**os.environ, "LAKEFLOW_FAILPOINT": failpoint}
        words = [sys.executable, "-c", program, tmp_path]
        return subprocess.run(words, env=environment, check=False).returncode

    with Receiver() as receiver:
        told = {event: [{"id": f"{receiver.url}/{event}"}] for event in ("on_start", "on_success")}
        tasks = [{"task_key": "gate", **GATE}]
        job = {"name": "j", "tasks": tasks, "webhook_notifications": told}
        assert serve(job, f"{point}:kill") == -signal.SIGKILL
        reader = Reader(tmp_path / "jobs.db")
        before = reader.select(NoticeRow)
        assert before
        assert any(row.state == "WAITING" for row in before)
        assert serve(None, "") == 0
        after = reader.select(NoticeRow)
        runs = reader.select(RunRow)
        reader.close()
    assert {row.state for row in after} == {"DELIVERED"}
    assert {row.notice_id for row in after} == {r.body["notice_id"] for r in receiver.requests}
    assert len(after) == 2 * len(runs) == len({row.notice_id for row in after})
    assert len(receiver.requests) >= len(after)
