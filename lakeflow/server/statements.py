"""Statements of SQL that run beside the calls that ask for them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import LakeflowError, was_interrupted
from lakeflow.core.schema import Field
from lakeflow.core.settings import Settings
from lakeflow.server.answers import Refused, missing
from lakeflow.server.results import Cut, Limits, columns_json

if TYPE_CHECKING:
    from lakeflow.engine.ask import Cancellation

THREADS = 4
"""Statements that run at the same time."""

KEPT = 3600_000
"""Milliseconds for which a result can be read."""

UNSEEN = 900_000
"""Milliseconds after which a statement that nobody asks for is cancelled."""

MOST_INLINE = 25 * 2**20
"""Bytes of a result that stands in the answer itself."""

LINK = 900_000
"""Milliseconds for which the address of a part holds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a statement is to do.

    Args:
        sql: Its text.
        values: Of its markers.
        types: Of those that are no texts.
        catalog: Catalog of names that do not say one.
        schema: Schema of names that do not say one.
        form: Of its result.
        inline: Whether the result stands in the answers.
        limits: Where the result ends.
    """

    sql: str
    values: Mapping[str, str | None] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    catalog: str | None = None
    schema: str | None = None
    form: str = "JSON_ARRAY"
    inline: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a result.

    Args:
        path: The file that holds it.
        offset: Number of its first row.
        rows: How many it has.
        bytes: How large it is.
    """

    path: Path
    offset: int
    rows: int
    bytes: int


@dataclass
class Statement:
    """A statement and what has become of it.

    Args:
        id: Its id.
        asked: What it is to do.
        cancellation: Ends it.
        folder: Of its result.
        state: `PENDING`, `RUNNING`, `SUCCEEDED`, `FAILED` or `CANCELED`.
        seen: When somebody last asked for it.
    """

    id: str
    asked: Asked
    cancellation: Cancellation
    folder: Path
    state: str = "PENDING"
    seen: int = 0
    ended: int | None = None
    error: Mapping[str, str] = field(default_factory=dict)
    columns: Sequence[Field] = ()
    chunks: list[Chunk] = field(default_factory=list)
    truncated: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def status(self) -> dict[str, Any]:
        """Where it stands."""
        return {"state": self.state} | ({"error": dict(self.error)} if self.error else {})

    def manifest(self) -> dict[str, Any]:
        """What its result is made of."""
        return {
            "format": self.asked.form,
            "schema": {
                "column_count": len(self.columns),
                "columns": columns_json(self.columns),
            },
            "total_chunk_count": len(self.chunks),
            "total_row_count": sum(each.rows for each in self.chunks),
            "total_byte_count": sum(each.bytes for each in self.chunks),
            "truncated": self.truncated,
            "chunks": [
                {
                    "chunk_index": number,
                    "row_offset": each.offset,
                    "row_count": each.rows,
                    "byte_count": each.bytes,
                }
                for number, each in enumerate(self.chunks)
            ],
        }


class Statements:
    """Runs statements, and keeps their results for an hour.

    Args:
        folder: For results; what is in it is removed.
        settings: Of the lakehouse.
        now: Milliseconds since 1970.
        threads: Statements that run at the same time.
    """

    def __init__(
        self, folder: Path, settings: Settings, now: Callable[[], int], threads: int = THREADS
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder = folder
        self._settings = settings
        self._now = now
        self._key = secrets.token_bytes(32)
        self._closed = False
        self._known: dict[str, Statement] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="statement")

    def begin(self, asked: Asked) -> Statement:
        """Has a statement run."""
        from lakeflow.engine.ask import Cancellation

        self._sweep()
        if self._closed:
            raise Refused(503, "TEMPORARILY_UNAVAILABLE", "The server is about to end.")
        name = str(uuid.uuid4())
        made = Statement(name, asked, Cancellation(), self._folder / name, seen=self._now())
        with self._lock:
            self._known[name] = made
        self._pool.submit(self._run, made)
        return made

    def find(self, name: str) -> Statement:
        """A statement.

        Raises:
            Refused: There is none, or its result is gone.
        """
        self._sweep()
        with self._lock:
            found = self._known.get(name)
        if found is None:
            raise missing(f"The statement {name} was not found.")
        found.seen = self._now()
        return found

    def cancel(self, statement: Statement) -> None:
        """Has a statement end; nothing happens if it has ended."""
        statement.cancellation.cancel()

    def close(self) -> None:
        """Ends all of them."""
        self._closed = True
        with self._lock:
            known = list(self._known.values())
        for each in known:
            each.cancellation.cancel()
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def link(self, statement: Statement, number: int) -> tuple[str, int]:
        """The path at which a part can be read without a token, and until when."""
        expires = self._now() + LINK
        sign = self._sign(statement.id, number, expires)
        path = f"/api/lakeflow/results/{statement.id}/{number}"
        return f"{path}?expires={expires}&signature={sign}", expires

    def linked(self, name: str, number: int, expires: int, signature: str) -> bool:
        """Whether a path is one that was given, and holds."""
        sign = self._sign(name, number, expires)
        return hmac.compare_digest(sign.encode(), signature.encode()) and self._now() < expires

    def _sign(self, name: str, number: int, expires: int) -> str:
        text = f"{name}/{number}/{expires}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _run(self, statement: Statement) -> None:
        statement.state = "RUNNING"
        state = "FAILED"
        try:
            self._answer(statement)
            state = "SUCCEEDED"
        except Exception as error:
            if was_interrupted(error):
                state = "CANCELED"
            else:
                statement.error = _told(error)
        finally:
            statement.ended = self._now()
            statement.state = state
            statement.done.set()

    def _answer(self, statement: Statement) -> None:
        from lakeflow.core.arrow import from_arrow
        from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA
        from lakeflow.dialect.markers import bind
        from lakeflow.engine.session import Session

        asked = statement.asked
        found = Session(self._settings).query(
            bind(asked.sql, asked.values, asked.types),
            statement.cancellation,
            catalog=asked.catalog or DEFAULT_CATALOG,
            schema=asked.schema or DEFAULT_SCHEMA,
        )
        statement.columns = [
            Field(str(name), from_arrow(kind))
            for name, kind in zip(found.schema.names, found.schema.types, strict=True)
        ]
        statement.folder.mkdir(parents=True)
        cut = Cut(asked.form, statement.columns, asked.limits)
        offset = size = 0
        for number, part in enumerate(cut.parts(found)):
            path = statement.folder / str(number)
            path.write_bytes(part.content)
            statement.chunks.append(Chunk(path, offset, part.rows, len(part.content)))
            offset, size = offset + part.rows, size + len(part.content)
            if asked.inline and size > MOST_INLINE:
                raise LakeflowError(
                    f"The result has more than {MOST_INLINE:,} bytes.",
                    hint="Ask for disposition EXTERNAL_LINKS, or set row_limit or byte_limit.",
                )
        statement.truncated = cut.truncated

    def _sweep(self) -> None:
        """Forgets results that are old, and ends what nobody waits for."""
        now = self._now()
        with self._lock:
            old = [s for s in self._known.values() if s.ended and s.ended + KEPT < now]
            for each in old:
                del self._known[each.id]
            lonely = [s for s in self._known.values() if s.ended is None and s.seen + UNSEEN < now]
        for each in old:
            shutil.rmtree(each.folder, ignore_errors=True)
        for each in lonely:
            each.cancellation.cancel()


def rows_of(chunk: Chunk) -> list[list[str | None]]:
    """The rows of a part that is JSON.

    Raises:
        Refused: It is gone.
    """
    return list(json.loads(content_of(chunk)))


def content_of(chunk: Chunk) -> bytes:
    """A part of a result.

    Raises:
        Refused: It is gone.
    """
    with suppress(FileNotFoundError):
        return chunk.path.read_bytes()
    raise missing("The result of the statement is gone.")


def _told(error: Exception) -> dict[str, str]:
    if not isinstance(error, LakeflowError):
        return {
            "error_code": "INTERNAL_ERROR",
            "message": f"Lakeflow failed: {type(error).__name__}: {error}",
        }
    code = "BAD_REQUEST" if error.exit_code == 2 else "INTERNAL_ERROR"
    return {"error_code": code, "message": str(error)}
