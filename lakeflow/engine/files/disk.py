"""Files on the local disk: opening them whatever their compression, and seeing them change."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import unquote

from lakeflow.connect.source import FileEntry, FileScan
from lakeflow.core.errors import SourceError, UnsupportedError
from lakeflow.engine.files.options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 18


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


def verify(scan: FileScan, options: ReadOptions) -> FileScan:
    """The scan with each file as it is now, before it is read.

    A file that is gone is left out where `ignoreMissingFiles` says so.

    Raises:
        SourceError: A file is gone or must not be read.
    """
    present: list[FileEntry] = []
    for entry in scan.files:
        path = local(entry.path)
        try:
            status = Path(path).stat()
        except FileNotFoundError:
            if options.ignore_missing:
                continue
            raise SourceError(
                f"The file {entry.path} is gone since it was listed.",
                condition="FAILED_READ_FILE.FILE_NOT_EXIST",
                hint="Put it back, or set the option ignoreMissingFiles to go on without it.",
            ) from None
        except OSError as error:
            raise _unreadable(entry, error.strerror) from None
        if not os.access(path, os.R_OK) or Path(path).is_dir():
            raise _unreadable(entry, "no right to read it, or it is a folder")
        present.append(FileEntry(entry.path, status.st_size, status.st_mtime_ns))
    return replace(scan, files=tuple(present))


def verify_unchanged(scan: FileScan) -> None:
    """Refuses what was read from a file that changed meanwhile.

    Args:
        scan: What `verify` returned before the files were read.

    Raises:
        SourceError: A file grew, was replaced or vanished while it was read.
    """
    for entry in scan.files:
        try:
            status = Path(local(entry.path)).stat()
        except OSError:
            raise SourceError(f"The file {entry.path} vanished while it was read.") from None
        if (status.st_size, status.st_mtime_ns) != (entry.size, entry.modified):
            raise SourceError(
                f"The file {entry.path} changed while it was read:"
                f" it had {entry.size} bytes before and has {status.st_size} now.",
                hint="Write files under another name and rename them when they are complete.",
            )


def _unreadable(entry: FileEntry, why: str | None) -> SourceError:
    return SourceError(f"The file {entry.path} cannot be read: {why}.")


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
