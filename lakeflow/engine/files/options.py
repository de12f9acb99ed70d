"""The options of a file scan, read once into one frozen value."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Literal

from lakeflow.connect.source import FileScan
from lakeflow.core.errors import ConfigurationError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest

FORMATS = ("csv", "json", "parquet")
RESCUED_COLUMN = "_rescued_data"
EVOLUTION_MODES = ("addNewColumns", "rescue", "failOnNewColumns", "none")

_ANY = (
    "ignorecorruptfiles ignoremissingfiles infercolumntypes inferschema "
    "mode readercasesensitive rescueddatacolumn schema schemaevolutionmode schemahints "
    "dateformat timestampformat timestampntzformat timezone partitioncolumns"
).split()
_CSV = (
    "columnnameofcorruptrecord charset comment delimiter emptyvalue encoding escape header "
    "ignoreleadingwhitespace ignoretrailingwhitespace linesep multiline nanvalue negativeinf "
    "nullvalue positiveinf quote sep skiprows"
).split()
_JSON = "columnnameofcorruptrecord charset encoding linesep multiline primitivesasstring".split()
KNOWN = {"csv": {*_ANY, *_CSV}, "json": {*_ANY, *_JSON}, "parquet": {*_ANY, "mergeschema"}}
"""Options that reading a file knows, by format."""

LISTING = set(
    "allowoverwrites backfillinterval cleansource cleansource.movedestination "
    "cleansource.retentionduration filenamepattern format includeexistingfiles maxbytespertrigger "
    "maxfileage maxfilespertrigger modifiedafter modifiedbefore pathglobfilter path "
    "recursivefilelookup schemalocation usestrictglobber validateoptions".split()
)
"""Options of the listing of files, which do not say how one is read."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How the files of a scan are to be read; names are those of Spark's options.

    Args:
        strict: Nobody asked for NULL in place of a value that does not fit: neither `mode` nor a
            column for such values was given, so the first one is an error.
        partition_columns: Names in lower case; None where the folders' names say them.
    """

    format: str
    header: bool = True
    sep: str = ","
    quote: str = '"'
    escape: str | None = None
    comment: str | None = None
    line_sep: str | None = None
    skip_rows: int = 0
    encoding: str = "utf-8"
    null_value: str = ""
    empty_value: str = ""
    nan_value: str = "NaN"
    positive_inf: str = "Inf"
    negative_inf: str = "-Inf"
    trim_left: bool = False
    trim_right: bool = False
    multi_line: bool = False
    date_format: str | None = None
    timestamp_format: str | None = None
    timestamp_ntz_format: str | None = None
    time_zone: str | None = None
    mode: Literal["PERMISSIVE", "DROPMALFORMED", "FAILFAST"] = "PERMISSIVE"
    strict: bool = True
    corrupt_column: str = "_corrupt_record"
    case_sensitive: bool = True
    infer_types: bool = True
    hints: str = ""
    evolution_mode: str | None = None
    partition_columns: tuple[str, ...] | None = None
    ignore_missing: bool = False
    ignore_corrupt: bool = False


def read_options(scan: FileScan, location: Location | None = None) -> ReadOptions:
    """Reads and checks the options of a scan.

    Raises:
        UnsupportedError: The format or an option is not supported.
        ConfigurationError: An option's value is not valid.
    """
    return _Reader(scan, location).read()


class _Reader:
    def __init__(self, scan: FileScan, location: Location | None) -> None:
        self.scan = scan
        self.location = location
        self.given = {k.lower().removeprefix("cloudfiles."): v for k, v in scan.options.items()}

    def read(self) -> ReadOptions:
        self.check_names()
        if self.scan.format == "json" and not self.flag("readercasesensitive", True):
            raise UnsupportedError(
                "The option readerCaseSensitive of json files cannot be false.",
                location=self.location,
                hint="Keys in another case are rescued; take them from there.",
            )
        flag, given = self.flag, self.given
        escape = given.get("escape")
        return ReadOptions(
            format=self.scan.format,
            header=flag("header", "schema" not in given),
            sep=self.separator(),
            quote=self.character("quote", '"'),
            escape=None if escape is None else self.character("escape", ""),
            comment=given.get("comment") or None,
            line_sep=given.get("linesep") or None,
            skip_rows=self.number("skiprows", 0),
            encoding=self.encoding(),
            null_value=given.get("nullvalue", ""),
            empty_value=given.get("emptyvalue", ""),
            nan_value=given.get("nanvalue", "NaN"),
            positive_inf=given.get("positiveinf", "Inf"),
            negative_inf=given.get("negativeinf", "-Inf"),
            trim_left=flag("ignoreleadingwhitespace", False),
            trim_right=flag("ignoretrailingwhitespace", False),
            multi_line=flag("multiline", False),
            date_format=given.get("dateformat"),
            timestamp_format=given.get("timestampformat"),
            timestamp_ntz_format=given.get("timestampntzformat"),
            time_zone=given.get("timezone"),
            mode=self.mode(),
            strict="mode" not in given,
            corrupt_column=given.get("columnnameofcorruptrecord", "_corrupt_record"),
            case_sensitive=flag("readercasesensitive", True),
            infer_types=self.infers(),
            hints=given.get("schemahints", ""),
            evolution_mode=given.get("schemaevolutionmode"),
            partition_columns=self.partitions(),
            ignore_missing=flag("ignoremissingfiles", False),
            ignore_corrupt=flag("ignorecorruptfiles", False),
        )

    def check_names(self) -> None:
        if self.scan.format not in FORMATS:
            raise UnsupportedError(
                f"Files of format {self.scan.format!r} cannot be read.",
                location=self.location,
                hint=f"Formats are {', '.join(FORMATS)}.",
            )
        known = KNOWN[self.scan.format]
        for option in self.given:
            if option not in known and option not in LISTING:
                raise UnsupportedError(
                    f"The option {option!r} of {self.scan.format} files is not supported.",
                    location=self.location,
                    hint=nearest(option, known) or None,
                )

        if not self.flag("mergeschema", True):
            raise UnsupportedError(
                "The option mergeSchema of parquet files cannot be false.",
                location=self.location,
                hint="Give a schema where columns of some files are not wanted.",
            )

    def error(self, option: str, wanted: str) -> ConfigurationError:
        return ConfigurationError(
            f"The option {option} is {wanted}, not {self.given[option]!r}.", location=self.location
        )

    def flag(self, option: str, default: bool) -> bool:
        value = self.given.get(option, str(default)).strip().lower()
        if value not in ("true", "false"):
            raise self.error(option, "true or false")
        return value == "true"

    def infers(self) -> bool:
        spelling = "infercolumntypes" if "infercolumntypes" in self.given else "inferschema"
        return self.flag(spelling, True) and not self.flag("primitivesasstring", False)

    def partitions(self) -> tuple[str, ...] | None:
        given = self.given.get("partitioncolumns")
        if given is None:
            return None
        return tuple(name.strip().lower() for name in given.split(",") if name.strip())

    def number(self, option: str, default: int) -> int:
        value = self.given.get(option, str(default)).strip()
        if not re.fullmatch(r"\d{1,9}", value):
            raise self.error(option, "a number that is not negative")
        return int(value)

    def character(self, option: str, default: str) -> str:
        value = self.given.get(option, default)
        if value == "\0":
            return ""
        if len(value) > 1:
            raise self.error(option, "one character")
        return value

    def separator(self) -> str:
        option = "sep" if "sep" in self.given else "delimiter"
        value = self.given.get(option, ",").replace("\\t", "\t")
        if not value or "\n" in value or "\r" in value:
            raise self.error(option, "a text without line breaks")
        return value

    def encoding(self) -> str:
        option = "encoding" if "encoding" in self.given else "charset"
        try:
            return codecs.lookup(self.given.get(option, "utf-8")).name
        except LookupError:
            raise self.error(option, "the name of an encoding, such as UTF-8") from None

    def mode(self) -> Literal["PERMISSIVE", "DROPMALFORMED", "FAILFAST"]:
        match self.given.get("mode", "PERMISSIVE").upper():
            case "PERMISSIVE":
                return "PERMISSIVE"
            case "DROPMALFORMED":
                return "DROPMALFORMED"
            case "FAILFAST":
                return "FAILFAST"
        raise self.error("mode", "PERMISSIVE, DROPMALFORMED or FAILFAST")
