"""A destination of webhooks and a mail server, both real, that remember what they were told."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Request:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Receiver:
    """Takes webhooks.

    Args:
        answer: The status for each, by its number from 1.
    """

    answer: Callable[[int], int] = lambda _: 200
    requests: list[Request] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.arrived:
                    receiver.requests.append(Request(self.path, dict(self.headers), body))
                    number = len(receiver.requests)
                    receiver.arrived.notify_all()
                status = receiver.answer(number)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait(self, count: int) -> list[Request]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, 30), self.requests
            return list(self.requests)


@dataclass
class MailServer:
    """Takes letters; refuses addresses that begin with `no`, and passwords other than `p@ss`.

    Args:
        context: With which it encrypts, if it does.
        at_once: Whether it encrypts from the first word, or when it is asked to.
    """

    context: ssl.SSLContext | None = None
    at_once: bool = False
    letters: list[Message] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        mail = self

        class Handler(socketserver.StreamRequestHandler):
            def setup(self) -> None:
                if mail.at_once:
                    self.encrypt()
                super().setup()

            def encrypt(self) -> None:
                assert mail.context is not None
                self.request = mail.context.wrap_socket(
                    self.request, server_side=True, do_handshake_on_connect=False
                )
                try:
                    self.request.do_handshake()
                except OSError:
                    self.request.close()
                    raise

            def finish(self) -> None:
                super().finish()
                self.request.close()

            def handle(self) -> None:
                self.say("220 here")
                while line := self.rfile.readline().decode().strip():
                    word = line.split(":")[0].split()[0].upper()
                    if word == "QUIT":
                        self.say("221 bye")
                        break
                    self.answer(word, line)

            def answer(self, word: str, line: str) -> None:
                encrypted = isinstance(self.request, ssl.SSLSocket)
                if word == "EHLO" and mail.context is not None:
                    self.say(f"250-here\r\n250 {'AUTH PLAIN' if encrypted else 'STARTTLS'}")
                elif word == "STARTTLS":
                    self.say("220 go on")
                    self.encrypt()
                    super().setup()
                elif word == "AUTH":
                    right = b64decode(line.rsplit(maxsplit=1)[-1]) == b"\0ann\0p@ss"
                    self.say("235 welcome" if right else "535 hush is not your password")
                elif word == "DATA":
                    self.say("354 go on")
                    self.take()
                    self.say("250 ok")
                else:
                    refused = word == "RCPT" and "<no" in line
                    self.say("550 no such user" if refused else "250 ok")

            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def take(self) -> None:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                with mail.arrived:
                    mail.letters.append(message_from_bytes(b"".join(lines)))
                    mail.arrived.notify_all()

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.port = self.server.server_address[1]
        self.url = f"smtp://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait(self, count: int) -> list[Message]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.letters) >= count, 30), self.letters
            return list(self.letters)
