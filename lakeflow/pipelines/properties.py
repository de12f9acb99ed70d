"""Every table property and every Spark setting that means something, and what becomes of it.

Names of the user's own, without one of the prefixes here, are kept with the table or are the
pipeline's parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lakeflow.core.errors import DefinitionError, LakeflowError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.core.settings import read_time_zone
from lakeflow.pipelines.elements import Dataset

RESET_ALLOWED = "pipelines.reset.allowed"
TIME_ZONE = "spark.sql.session.timeZone"


@dataclass(frozen=True, slots=True)
class Key:
    """A property or a setting.

    Args:
        name: Its key; one that ends with `*` stands for all that begin so.
        status: `done`, `recorded` (kept, and changes nothing) or `refused`.
        meaning: What it says where it has its effect.
        only: The values that are taken; any if there are none.
        hint: What to write instead of what is refused.
    """

    name: str
    status: Literal["done", "recorded", "refused"]
    meaning: str
    only: tuple[str, ...] = ()
    hint: str = ""

    def matches(self, key: str) -> bool:
        """Whether a key is this one; case does not matter, as in Spark."""
        name, key = self.name.lower(), key.lower()
        return key.startswith(name[:-1]) if name.endswith("*") else key == name


_SWITCH = ("true", "false")
_UPKEEP = "How files are sized, indexed or cleaned up."
_LOWEST = "Leave it out: a table has the lowest protocol that its columns need."

PROPERTIES = (
    Key(
        RESET_ALLOWED,
        "done",
        "Whether a full refresh may empty the table; `--full-refresh` without names passes over "
        "a table that says `false`.",
        _SWITCH,
    ),
    Key("delta.enableChangeDataFeed", "done", "Whether readers may ask what changed.", _SWITCH),
    Key("pipelines.autoOptimize.*", "recorded", _UPKEEP),
    Key("pipelines.channel", "recorded", "The release on Databricks."),
    Key("delta.autoOptimize.*", "recorded", _UPKEEP),
    Key("delta.targetFileSize", "recorded", _UPKEEP),
    Key("delta.tuneFileSizesForRewrites", "recorded", _UPKEEP),
    Key("delta.dataSkippingNumIndexedCols", "recorded", _UPKEEP),
    Key("delta.dataSkippingStatsColumns", "recorded", _UPKEEP),
    Key(
        "delta.checkpointInterval",
        "done",
        "Commits after which the log is summed up; 100 if left out.",
    ),
    Key(
        "delta.logRetentionDuration",
        "done",
        "How long the log reaches back, such as `interval 30 days`.",
    ),
    Key(
        "delta.deletedFileRetentionDuration",
        "done",
        "How long files stay after they went out; 7 days if left out.",
    ),
    Key("delta.enableDeletionVectors", "recorded", "Rows deleted by a mark.", ("false",), _LOWEST),
    Key("delta.enableRowTracking", "recorded", "Ids of rows.", ("false",), _LOWEST),
    Key("delta.columnMapping.mode", "recorded", "Other names in files.", ("none",), _LOWEST),
    Key("delta.appendOnly", "recorded", "Forbids to delete rows.", ("false",), _LOWEST),
    Key("delta.minReaderVersion", "refused", "The protocol.", hint=_LOWEST),
    Key("delta.minWriterVersion", "refused", "The protocol.", hint=_LOWEST),
    Key("delta.feature.*", "refused", "The protocol.", hint=_LOWEST),
    Key("delta.setTransactionRetentionDuration", "refused", "Forgets how far flows have come."),
    Key(
        "delta.constraints.*",
        "refused",
        "A rule of all rows.",
        hint="Declare an expectation: CONSTRAINT name EXPECT (predicate) ON VIOLATION FAIL UPDATE.",
    ),
)
"""Keys of TBLPROPERTIES and `table_properties`."""

_ONE_WAY = "Leave it out: this is the one way in which queries are understood here."

DIALECT = "lakeflow.dialect"

SETTINGS = (
    Key(DIALECT, "done", "Whose SQL the queries after it are.", ("spark", "duckdb")),
    Key(TIME_ZONE, "done", "Zone of timestamps without one; the same in the whole pipeline."),
    Key("spark.sql.ansi.enabled", "done", "Errors instead of NULLs.", ("true",), _ONE_WAY),
    Key("spark.sql.caseSensitive", "done", "Names differ by case.", ("false",), _ONE_WAY),
    Key("spark.sql.storeAssignmentPolicy", "done", "Casts on writing.", ("ANSI",), _ONE_WAY),
    Key("spark.sql.timestampType", "done", "What TIMESTAMP means.", ("TIMESTAMP_LTZ",), _ONE_WAY),
    Key("spark.sql.mapKeyDedupPolicy", "done", "Equal keys of a map.", ("EXCEPTION",), _ONE_WAY),
    Key("spark.sql.legacy.*", "refused", "An older meaning of queries.", hint=_ONE_WAY),
    Key("spark.sql.shuffle.partitions", "recorded", "How work is spread over a cluster."),
    Key("spark.sql.adaptive.*", "recorded", "How work is spread over a cluster."),
    Key("spark.sql.files.*", "recorded", "How files are split for a cluster."),
    Key("spark.sql.autoBroadcastJoinThreshold", "recorded", "How a cluster joins."),
    Key("spark.sql.broadcastTimeout", "recorded", "How a cluster joins."),
    Key("spark.sql.execution.arrow.*", "recorded", "How rows reach Python."),
    Key("spark.sql.streaming.*", "recorded", "How streams keep their state."),
    Key("spark.sql.*", "refused", "Another setting of Spark SQL.", hint="Leave it out."),
    Key("spark.*", "recorded", "Settings of a cluster."),
    Key("pipelines.trigger.interval", "recorded", "How often a continuous pipeline looks."),
    Key("pipelines.numUpdateRetryAttempts", "recorded", "How often an update is tried again."),
    Key("pipelines.maxFlowRetryAttempts", "recorded", "How often a flow is tried again."),
)
"""Keys of SET, `spark_conf` and the project file's `configuration`, first match first."""

_PREFIXES = ("spark.", "pipelines.", "delta.", "lakeflow.")


def is_setting(key: str) -> bool:
    """Whether a key of SET or of the configuration is a setting, not a parameter's name."""
    return key.lower().startswith(("spark.", "pipelines.", "lakeflow."))


def check_properties(dataset: Dataset) -> Iterator[LakeflowError]:
    """What is wrong with the properties of a dataset."""
    for key, value in dataset.properties.items():
        if key.lower().startswith(_PREFIXES):
            error = _error(key, value, PROPERTIES, "a table property", dataset.location)
            if error is not None:
                yield error


def setting_error(key: str, value: str, location: Location) -> LakeflowError | None:
    """What is wrong with a setting; None if it is taken."""
    try:
        time_zone({key: value})
    except ValueError as error:
        return DefinitionError(str(error), condition="INVALID_CONF_VALUE", location=location)
    return _error(key, value, SETTINGS, "a setting", location)


def time_zone(settings: Mapping[str, str]) -> str | None:
    """The session's time zone as settings give it; None if they do not."""
    for key, value in settings.items():
        if key.lower() == TIME_ZONE.lower():
            return read_time_zone(value)
    return None


def reset_allowed(dataset: Dataset) -> bool:
    """Whether a full refresh may empty a dataset."""
    for key, value in dataset.properties.items():
        if key.lower() == RESET_ALLOWED.lower():
            return value.lower() != "false"
    return True


def _error(
    key: str, value: str, known: tuple[Key, ...], what: str, location: Location
) -> LakeflowError | None:
    found = next((entry for entry in known if entry.matches(key)), None)
    if found is None:
        names = [entry.name for entry in known if not entry.name.endswith("*")]
        return DefinitionError(
            f"{key} is not {what}.", location=location, hint=nearest(key, names) or None
        )
    if found.status == "refused":
        return UnsupportedError(
            f"{key} is not supported: {found.meaning}",
            condition="UNSUPPORTED_FEATURE",
            location=location,
            hint=found.hint or None,
        )
    if found.only and value.lower() not in {each.lower() for each in found.only}:
        return UnsupportedError(
            f"{key} is {' or '.join(found.only)} here, not {value!r}.",
            condition="INVALID_CONF_VALUE",
            location=location,
            hint=found.hint or None,
        )
    return None
