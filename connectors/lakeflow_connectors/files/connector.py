"""Lists files, admits those that were never seen, and remembers them; it does not read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakeflow.connect.source import FileEntry, FileScan, Group, Limit, SourceContext
from lakeflow.core.errors import ConfigurationError, SourceError, UnsupportedError
from lakeflow.core.names import nearest
from lakeflow.core.schema import Schema

FORMATS = ("csv", "json", "parquet")
DEFAULT_FILES = 1000
"""Files of one batch where `maxFilesPerTrigger` says nothing, as Auto Loader does."""

LISTING = frozenset(
    "path format maxfilespertrigger maxbytespertrigger pathglobfilter filenamepattern "
    "recursivefilelookup".split()
)
READING = frozenset(
    "columnnameofcorruptrecord infercolumntypes inferschema mode readercasesensitive "
    "rescueddatacolumn schema schemaevolutionmode schemahints dateformat timestampformat "
    "timestampntzformat timezone charset comment delimiter emptyvalue encoding escape header "
    "ignoreleadingwhitespace ignoretrailingwhitespace linesep multiline nanvalue negativeinf "
    "nullvalue positiveinf quote sep skiprows primitivesasstring mergeschema "
    "ignoremissingfiles ignorecorruptfiles partitioncolumns".split()
)


class FilesConnector:
    """Files of a local file system."""

    name = "files"
    positional = ("path",)
    secret: tuple[str, ...] = ()

    def source(self, options: Mapping[str, str], context: SourceContext) -> FilesSource:
        """Opens a folder, a file or a pattern.

        Raises:
            ConfigurationError: An option is unknown, missing or not valid.
        """
        found: dict[str, str] = {}
        for name, value in options.items():
            plain = name.lower().removeprefix("cloudfiles.")
            if plain not in LISTING | READING:
                raise ConfigurationError(
                    f"read_files has no option {name}.",
                    location=context.location,
                    hint=nearest(plain, LISTING | READING) or None,
                )
            found[plain] = value
        if "path" not in found:
            raise ConfigurationError("read_files needs a path.", location=context.location)
        return FilesSource(found, _format(found, context), context)


def _format(options: Mapping[str, str], context: SourceContext) -> str:
    given = options.get("format") or _suffix(options["path"])
    if given.lower() not in FORMATS:
        raise UnsupportedError(
            f"Files of the format {given} cannot be read."
            if given
            else f"The format of the files in {options['path']} is not said.",
            location=context.location,
            hint=f"Give format => one of {', '.join(FORMATS)}.",
        )
    return given.lower()


def _suffix(path: str) -> str:
    """What the end of a path says about the format, without the compression."""
    name = Path(path)
    if name.suffix.lower() in (".gz", ".zst", ".bz2"):
        name = name.with_suffix("")
    return name.suffix.removeprefix(".")


class FilesSource:
    """One opened folder; positions are numbers into the ledger.

    A file is known by its path below the folder: names and times never decide what is new.
    """

    group: Group | None = None

    def __init__(
        self, options: Mapping[str, str], file_format: str, context: SourceContext
    ) -> None:
        self._options = options
        self._format = file_format
        self._context = context
        self._ledger = context.ledger
        root, pattern = _split(options["path"].removeprefix("file://"))
        self._root = _without_dots(root)
        name = options.get("pathglobfilter") or options.get("filenamepattern")
        self._patterns = [
            *([] if pattern is None else [glob(pattern)]),
            *([] if name is None else [glob(f"**/{name}")]),
        ]

    def schema(self) -> Schema | None:
        """The columns that the user declared; None where they are inferred."""
        text = self._options.get("schema")
        return Schema.from_ddl(text) if text else None

    def horizon(self) -> int | None:
        """Lists everything and admits what was never seen."""
        entries = []
        for name in sorted(self._ledger.new(self._list())):
            try:
                found = self._path(name).stat()
            except FileNotFoundError:
                continue
            # A pipe would be waited for, a device read for ever.
            if stat.S_ISREG(found.st_mode):
                entries.append(FileEntry(name, found.st_size, found.st_mtime_ns))
        return self._ledger.append(entries) or None

    def latest(self, start: int | None, limit: Limit, upto: int) -> int:
        """The end of the next batch."""
        begun = start or 0
        unlimited = limit.max_files is None and limit.max_bytes is None
        files = limit.max_files or (upto - begun if unlimited else DEFAULT_FILES)
        end = max(begun, min(begun + files, upto))
        if limit.max_bytes is not None:
            total = 0
            for number, entry in enumerate(self._ledger.entries(begun, end), begun + 1):
                total += entry.size
                if total >= limit.max_bytes:
                    return number
        return end

    def read(self, start: int | None, end: int) -> FileScan:
        """The files of a range."""
        files = tuple(
            FileEntry(str(self._path(entry.path)), entry.size, entry.modified)
            for entry in self._ledger.entries(start or 0, end)
        )
        reading = {name: v for name, v in self._options.items() if name in READING}
        root = "" if self._root.is_file() else str(self._root)
        return FileScan(files, self._format, reading, root)

    def earliest(self, ends: Sequence[int]) -> int:
        """The lowest position."""
        return min(ends)

    def commit(self, end: int) -> None:
        """Files stay where they are."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _path(self, name: str) -> Path:
        return self._root if name == "." else self._root / name

    def _list(self) -> list[str]:
        """Paths below the root of all files that are meant, in no order."""
        if self._root.is_file():
            return ["."]
        if not self._root.exists():
            raise SourceError(
                f"There is no file or folder {self._root}.",
                condition="PATH_NOT_FOUND",
                location=self._context.location,
            )
        names: list[str] = []
        self._walk(str(self._root), "", frozenset([os.path.realpath(self._root)]), names)
        for pattern in self._patterns:
            names = [name for name in names if pattern.fullmatch(f"/{name}")]
        return names

    def _walk(self, folder: str, below: str, above: frozenset[str], names: list[str]) -> None:
        """Adds the files of a folder, which may be a million: one look at each name."""
        inner = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] in "._":
                        continue
                    if entry.is_dir():
                        inner.append(name)
                    else:
                        names.append(below + name)
        except PermissionError as error:
            raise SourceError(
                f"The folder {folder} cannot be read: there is no right to.",
                location=self._context.location,
            ) from error
        if self._options.get("recursivefilelookup", "true").lower() != "true":
            return
        for name in inner:
            path = f"{folder}/{name}"
            real = os.path.realpath(path)
            # A link to a folder above would be walked round and round.
            if real not in above:
                self._walk(path, f"{below}{name}/", above | {real}, names)


def _split(path: str) -> tuple[Path, str | None]:
    """A path as the folder before its first wildcard, and the pattern from there on.

    What is there under its literal name is no wildcard: folders may be called `a[1]`.
    """
    parts = Path(path).parts
    for number, part in enumerate(parts):
        if any(sign in part for sign in "*?[{") and not Path(*parts[: number + 1]).exists():
            return Path(*parts[:number]), "/" + "/".join(parts[number:])
    return Path(path), None


def _without_dots(folder: Path) -> Path:
    """The folder without `..`, so that its files have one name; links are kept if they can be."""
    plain = Path(os.path.normpath(folder))
    same = os.path.realpath(plain) == os.path.realpath(folder)
    return plain if same else Path(os.path.realpath(folder))


def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of Spark's: `*`, `?`, `[ab]`, `[a-z]`, `[^a]`, `{ab,cd}`; `*` crosses folders.

    Example:
        >>> bool(glob("/{2023,2024}/*[^x].csv").fullmatch("/2024/03/a.csv"))
        True
    """
    found, depth = [], 0
    tokens = re.findall(r"\\.|\[[^\]]+\]|\*+/?|.", pattern, re.DOTALL)
    for token in tokens:
        if token.startswith("\\") and len(token) == 2:
            found.append(re.escape(token[1]))
        elif token == "**/":
            found.append("(?:.*/)?")
        elif token.startswith("*"):
            found.append(".*" + ("/" if token.endswith("/") else ""))
        elif token == "?":
            found.append("[^/]")
        elif token.startswith("[") and len(token) > 1:
            inner = token[1:-1].replace("\\", "\\\\").replace("[", "\\[")
            found.append(f"[{'^' + inner[1:] if inner[0] in '^!' else inner}]")
        elif token == "{":
            depth += 1
            found.append("(?:")
        elif token == "}" and depth:
            depth -= 1
            found.append(")")
        else:
            found.append("|" if token == "," and depth else re.escape(token))
    return re.compile("".join(found) + ")" * depth, re.DOTALL)
