"""Tells somebody something: by a POST to a URL, or by email."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lakeflow.core.errors import LakeflowError
from lakeflow.jobs.outbox import public
from lakeflow.jobs.rows import DestinationRow, NoticeRow

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

TIMEOUT = 10.0
"""Seconds that a destination may take for each step of an answer."""

_EVENTS = {
    "on_start": "has started",
    "on_success": "has succeeded",
    "on_failure": "has failed",
    "on_duration_warning_threshold_exceeded": "takes longer than its health rule says",
}


class NotSent(LakeflowError):
    """A notice could not be delivered.

    Args:
        message: Why, in one sentence without secrets.
        for_good: Whether no further try can do better.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class Message:
    """A notice, ready to be sent.

    Args:
        notice: What is told, and to whom.
        said: The notice as JSON.
        destination: Of a webhook; None if nobody knows its id.
    """

    notice: NoticeRow
    said: Mapping[str, Any]
    destination: DestinationRow | None = None

    @property
    def sentence(self) -> str:
        """What people read."""
        job, task = self.said["job"]["name"], self.said.get("task")
        what = f"Task {task['task_key']} of {job}" if task else f"Job {job}"
        happened = _EVENTS.get(self.notice.event, self.notice.event)
        result = self.said.get("result_state")
        more = f" ({result})" if result and result not in ("SUCCESS", "FAILED") else ""
        return " ".join(f"{what} {happened}{more}".split())


Sender = Callable[[Message], None]
"""Sends a message, or raises `NotSent`."""


def send_webhook(message: Message, timeout: float = TIMEOUT) -> None:
    """Posts a notice to its destination; any answer of 200 to 299 is a delivery.

    Raises:
        NotSent: There was none.
    """
    import http.client

    destination = message.destination
    if destination is None:
        raise NotSent(
            "There is no such destination. Create it, or give its URL as the id.", for_good=True
        )
    said = dict(message.said)
    if destination.kind == "SLACK":
        said = {"text": "\n".join(filter(None, [message.sentence, said.get("run_page_url", "")]))}
    where = public(destination.url)
    try:
        status = _post(destination, json.dumps(said).encode(), message.notice.notice_id, timeout)
    except TimeoutError:
        raise NotSent(f"{where} did not answer within {timeout:g} seconds.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Neither the text of the error nor its cause is told: they may repeat the URL.
        raise NotSent(f"{where} was not reached: {_why(error)}.") from None
    if 300 <= status < 400:
        raise NotSent(f"{where} answered {status}: give the address that it leads to.")
    if not 200 <= status < 300:
        raise NotSent(f"{where} answered {status}.")


def _post(destination: DestinationRow, body: bytes, notice_id: str, timeout: float) -> int:
    """Posts to a destination; returns the status of its answer."""
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            """A POST that is sent elsewhere would become a GET."""

    url = urlsplit(destination.url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "lakeflow",
        "Idempotency-Key": notice_id,
    }
    username = destination.username or unquote(url.username or "")
    password = destination.password or unquote(url.password or "")
    if username or password:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    plain = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
    try:
        with build_opener(Stay).open(Request(plain, body, headers), timeout=timeout) as answer:
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code
    except URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from None


def _why(error: Exception) -> str:
    """What happened, in words that hold nothing of an address."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Mail:
    """Sends notices by email.

    Args:
        url: `smtp://user:password@host:port` or `smtps://...`; empty if there is no mail server.
        sender: The address that they come from.
        timeout: Seconds that the mail server may take for each step.
    """

    url: str
    sender: str = ""
    timeout: float = TIMEOUT

    def __call__(self, message: Message) -> None:
        """Sends one notice to one address.

        Raises:
            NotSent: The mail server did not take it.
        """
        import smtplib

        if not self.url:
            raise NotSent(
                "There is no mail server. Set LAKEFLOW_SMTP_URL, such as smtp://host:587.",
                for_good=True,
            )
        where = public(self.url)
        try:
            letter = self._letter(message)
            with self._open() as server:
                server.send_message(letter)
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise NotSent(f"{where} refused the address with {code}.") from None
        except smtplib.SMTPResponseException as error:
            raise NotSent(f"{where} answered {error.smtp_code}.") from None
        except (TimeoutError, smtplib.SMTPServerDisconnected):
            said = f"{where} broke off, or said nothing for {self.timeout:g} seconds."
            raise NotSent(said) from None
        except (OSError, ValueError) as error:
            raise NotSent(f"{where} did not take it: {_why(error)}.") from None

    def _open(self) -> smtplib.SMTP:
        import smtplib
        import ssl

        url = urlsplit(self.url)
        host, context = url.hostname or "", ssl.create_default_context()
        server: smtplib.SMTP
        if url.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, url.port or 0, timeout=self.timeout, context=context)
        else:
            server = smtplib.SMTP(host, url.port or 0, timeout=self.timeout)
        try:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif url.scheme == "smtp" and url.password:
                raise NotSent(
                    f"{public(self.url)} does not encrypt, so it is not told the password.",
                    for_good=True,
                )
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
        except BaseException:
            server.close()
            raise
        return server

    def _letter(self, message: Message) -> EmailMessage:
        from datetime import UTC, datetime
        from email.message import EmailMessage
        from email.utils import format_datetime

        letter = EmailMessage()
        sender = self.sender or f"lakeflow@{urlsplit(self.url).hostname}"
        letter["From"], letter["To"] = sender, message.notice.recipient
        letter["Subject"] = message.sentence
        created = datetime.fromtimestamp(message.notice.created / 1000, UTC)
        letter["Date"] = format_datetime(created)
        letter["Message-ID"] = f"<{message.notice.notice_id}@lakeflow>"
        letter["Auto-Submitted"] = "auto-generated"
        rows = json.dumps(message.said, indent=2, ensure_ascii=False)
        letter.set_content(f"{message.sentence}.\n\n{rows}\n")
        return letter
