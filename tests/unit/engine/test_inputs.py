"""What a flow reads goes forward, whatever its source says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lakeflow.connect.source import Limit
from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.core.settings import Settings
from lakeflow.engine.inputs import SourceStream
from lakeflow.engine.resolve import SourceRead
from lakeflow.engine.session import Session

READ = SourceRead("numbers", "memory", {}, True, Schema(()), False, None, Location("a.sql", 1))


@dataclass
class Careless:
    """A source that gives the horizon for the end, even if the start lies beyond it."""

    def latest(self, start, limit, upto):
        return upto

    def earliest(self, ends):
        return min(ends)


@pytest.mark.parametrize(("start", "upto", "end"), [(None, 3, 3), (2, 3, 3), (3, 3, 3), (4, 3, 4)])
def test_a_batch_never_ends_before_its_start(start, upto, end):
    """Another process may have begun a batch beyond the horizon that this one has fixed."""
    stream = SourceStream(READ, "flow", Careless(), Limit(), lambda *_: "")
    assert stream.latest(start, upto) == end


@pytest.mark.parametrize(
    "arguments",
    [
        "'in', path => 'other', format => 'csv'",
        "'in', Path => 'other', format => 'csv'",
        "'in', format => 'csv', FORMAT => 'json'",
    ],
)
def test_an_option_that_is_given_twice_is_refused(tmp_path, arguments):
    (tmp_path / "p.sql").write_text(
        f"CREATE STREAMING TABLE t AS\nSELECT * FROM STREAM read_files({arguments});"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    with pytest.raises(DefinitionErrors, match=r"(?i)p\.sql:2.*given (path|format) twice"):
        session.plan(tmp_path / "p.sql")
