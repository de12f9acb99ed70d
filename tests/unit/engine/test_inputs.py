"""What a flow reads goes forward, whatever its source says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lakeflow.connect.source import Limit
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.inputs import SourceStream
from lakeflow.engine.resolve import SourceRead

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
