"""Messages between the server, the fork server and the workers: JSON with its length before it."""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any

Message = dict[str, Any]

_LENGTH = 4
_CHUNK = 1 << 16
_MOST_FILES = 16


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as it goes over a line."""
    data = json.dumps(message, separators=(",", ":"), default=_plain).encode()
    return len(data).to_bytes(_LENGTH) + data


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else os.fspath(value)


class Inbox:
    """Puts messages together from the pieces in which they come."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, piece: bytes) -> list[Message]:
        """The messages that this piece completes."""
        self._data += piece
        found = []
        while len(self._data) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._data[:_LENGTH])
            if len(self._data) < end:
                break
            found.append(json.loads(self._data[_LENGTH:end]))
            del self._data[:end]
        return found


class Line:
    """One end of a line that never lets its reader wait for the other end.

    Args:
        end: A stream socket; it is made non-blocking.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.end = end
        self.files: deque[int] = deque()
        self._inbox = Inbox()
        self._waiting: deque[tuple[bytes, list[int]]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether something waits for the other end to read."""
        return bool(self._waiting)

    @property
    def is_closed(self) -> bool:
        """Whether this end was closed."""
        return self.end.fileno() < 0

    def send(self, message: Mapping[str, Any] | bytes, *files: int) -> None:
        """Sends a message as far as it goes; `flush` sends the rest.

        Args:
            message: Anything that JSON can say, packed or not.
            files: Descriptors that go with it; they are closed here once they are on their way.
        """
        data = message if isinstance(message, bytes) else pack(message)
        self._waiting.append((data, list(files)))
        self.flush()

    def flush(self) -> None:
        """Sends what the other end takes now."""
        while self._waiting:
            data, files = self._waiting.popleft()
            try:
                sent = socket.send_fds(self.end, [data], files)
            except BlockingIOError:
                self._waiting.appendleft((data, files))
                return
            except OSError:
                # The other end is gone; whoever reads will be told.
                self._waiting.clear()
                sent = len(data)
            _close(files)
            if sent < len(data):
                self._waiting.appendleft((data[sent:], []))

    def receive(self) -> list[Message] | None:
        """The messages that have come; None once the other end is closed."""
        found: list[Message] = []
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self.end, _CHUNK, _MOST_FILES)
            except BlockingIOError:
                return found
            except OSError:
                data, files = b"", []
            self.files.extend(files)
            if not data:
                return found or None
            found += self._inbox.add(data)

    def close(self) -> None:
        """Closes the end, with what has not been taken from it."""
        _close(self.files)
        for _, files in self._waiting:
            _close(files)
        self.end.close()


def _close(files: deque[int] | list[int]) -> None:
    for file in files:
        os.close(file)


def receive(end: socket.socket) -> Message | None:
    """Waits for one message; None once the other end is closed."""
    length = _exactly(end, _LENGTH)
    data = length and _exactly(end, int.from_bytes(length))
    return json.loads(data) if data else None


def _exactly(end: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        try:
            piece = end.recv(min(size - len(data), _CHUNK))
        except OSError:
            return None
        if not piece:
            return None
        data += piece
    return bytes(data)
