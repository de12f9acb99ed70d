"""Files on the local disk: opening them whatever their compression, and seeing them change."""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast
from urllib.parse import unquote

from lakeflow.connect.source import FileEntry, FileScan
from lakeflow.core.errors import DataError, SourceError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.engine.files.options import ReadOptions

CHUNK = 1 << 18


class FileError(DataError):
    """A file cannot be read.

    Args:
        file: Which, so that it can be left out where the user says so.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str,
        condition: str | None = None,
        location: Location | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, condition=condition, location=location, hint=hint)
        self.file = file


def local(path: str) -> str:
    """The path in the file system of a path or `file:` URL.

    Raises:
        UnsupportedError: The URL is not one of a local file.
    """
    if path.startswith("file:"):
        return unquote(path.removeprefix("file:").replace("//", "", 1))
    if "://" in path:
        raise UnsupportedError(
            f"The file {path} is not on this machine.",
            hint="Files are read from local or mounted folders only.",
        )
    return path


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a change of a file is seen: size, times and number."""

    size: int
    modified: int
    changed: int
    number: int

    @classmethod
    def of(cls, path: str) -> FileState:
        """The state of a file now."""
        found = Path(local(path)).stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def verify(
    scan: FileScan, options: ReadOptions, location: Location | None
) -> tuple[FileScan, dict[str, FileState]]:
    """The scan with each file as it is now, before it is read, and the files' states.

    A file that is gone is left out where `ignoreMissingFiles` says so.

    Raises:
        SourceError: A file is gone or must not be read.
    """
    present: list[FileEntry] = []
    states: dict[str, FileState] = {}
    for entry in scan.files:
        path = local(entry.path)
        try:
            state = FileState.of(path)
        except FileNotFoundError:
            if options.ignore_missing:
                continue
            raise SourceError(
                f"The file {entry.path} is gone since it was listed.",
                condition="FAILED_READ_FILE.FILE_NOT_EXIST",
                location=location,
                hint="Put it back, or set ignoreMissingFiles => true to go on without it; "
                "--full-refresh reads anew the files that are still there, and no others.",
            ) from None
        except OSError as error:
            raise _unreadable(entry, error.strerror, location) from None
        if not _may_read(path) or Path(path).is_dir():
            raise _unreadable(entry, "there is no right to read it, or it is a folder", location)
        present.append(FileEntry(entry.path, state.size, state.modified))
        states[entry.path] = state
    return replace(scan, files=tuple(present)), states


def verify_unchanged(states: Mapping[str, FileState], location: Location | None) -> None:
    """Refuses what was read from files that changed meanwhile.

    Args:
        states: What `verify` returned before the files were read, by path.
        location: Where the user wrote the read.

    Raises:
        SourceError: A file grew, was replaced or vanished while it was read.
    """
    for path, before in states.items():
        try:
            now = FileState.of(path)
        except OSError:
            raise SourceError(
                f"The file {path} vanished while it was read.",
                condition="FAILED_READ_FILE.FILE_NOT_EXIST",
                location=location,
                hint="Nothing of this batch was written; the next update reads it again.",
            ) from None
        if now != before:
            raise SourceError(
                f"The file {path} changed while it was read:"
                f" it had {before.size} bytes before and has {now.size} now.",
                location=location,
                hint="Write files under another name and rename them when they are complete.",
            )


def _may_read(path: str) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def _unreadable(entry: FileEntry, why: str | None, location: Location | None) -> SourceError:
    return SourceError(
        f"The file {entry.path} cannot be read: {why}.",
        condition="FAILED_READ_FILE.NO_HINT",
        location=location,
        hint="Give this user the right to read it, or take it away.",
    )


def open_bytes(path: str) -> IO[bytes]:
    """Opens a file for reading, without its compression."""
    path = local(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".gz":
        import gzip

        return cast("IO[bytes]", gzip.open(path, "rb"))
    if suffix == ".bz2":
        import bz2

        return bz2.open(path, "rb")
    if suffix == ".zst":
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(pa.OSFile(path, "rb"), "zstd"))
    return Path(path).open("rb", buffering=0)


def open_text(path: str, encoding: str) -> io.TextIOWrapper:
    """Opens a file as text, without its compression and byte order mark."""
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    stream = open_bytes(path)
    if not isinstance(stream, io.BufferedIOBase):
        stream = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK)
    return io.TextIOWrapper(cast("IO[bytes]", stream), encoding, "strict", newline="")


def contains(path: str, first: bytes, second: bytes) -> bool:
    """Whether a file has the byte `first` before one of `second`, at the speed of memory."""
    pair = re.compile(re.escape(first) + b"[" + re.escape(second) + b"]")
    return any(chunk.find(first) >= 0 and pair.search(chunk) for chunk in _chunks(path))


def _chunks(path: str) -> Iterator[bytearray]:
    """Parts of a file, each beginning with the last byte of the one before."""
    with open_bytes(path) as stream:
        buffer = bytearray(CHUNK)
        kept = 0
        while True:
            if hasattr(stream, "readinto"):
                with memoryview(buffer) as view:
                    count = stream.readinto(view[kept:])
            else:
                data = stream.read(CHUNK - kept)
                count = len(data)
                buffer[kept : kept + count] = data
            if not count:
                return
            end = kept + count
            yield buffer if end == CHUNK else buffer[:end]
            buffer[0] = buffer[end - 1]
            kept = 1


@contextmanager
def decoding(entry: FileEntry, options: ReadOptions) -> Iterator[None]:
    """Turns a failure to decode or decompress a file into an error that says where.

    Raises:
        FileError: The file is not text of the encoding, or is cut off.
    """
    try:
        yield
    except UnicodeError:
        raise FileError(
            f"The file {entry.path} is not {options.encoding.upper()} text"
            f"{_first_bad_line(entry, options)}.",
            condition="MALFORMED_CHARACTER_CODING",
            file=entry.path,
            hint="Say which it is by the option encoding, such as encoding => 'ISO-8859-1'.",
        ) from None
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(
            f"The file {entry.path} is damaged or incomplete: {error}.",
            file=entry.path,
            hint="Deliver the file again, or set ignoreCorruptFiles to go on without it.",
        ) from None


def _first_bad_line(entry: FileEntry, options: ReadOptions) -> str:
    if options.encoding != "utf-8":
        return ""
    with open_bytes(entry.path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f" (line {number}, byte {error.start + 1} of it)"
    return ""
