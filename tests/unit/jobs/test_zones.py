"""Java's ids of time zones."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.timing.zones import _SHORT, time_zone


@pytest.mark.parametrize(
    ("java_id", "hours"),
    [
        ("UTC", 0),
        ("Etc/UTC", 0),
        ("GMT", 0),
        ("Europe/Vienna", 2),
        ("EST", -5),
        ("PST", -7),
        ("IST", 5.5),
        ("GMT+2", 2),
        ("GMT+02:00", 2),
        ("GMT-0330", -3.5),
        ("UTC+05:45", 5.75),
        ("+01:00", 1),
        ("Etc/GMT+5", -5),
    ],
)
def test_offset_in_july(java_id, hours):
    july = datetime(2026, 7, 1, tzinfo=UTC).astimezone(time_zone(java_id))
    assert july.utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("java_id", _SHORT)
def test_every_short_id_leads_to_a_zone_that_is_there(java_id):
    assert time_zone(java_id).utcoffset(datetime(2026, 7, 1)) is not None  # noqa: DTZ001


@pytest.mark.parametrize(
    ("java_id", "hint"),
    [
        ("Europe/Wien", "Did you mean 'Europe/"),
        ("europe/vienna", "Did you mean 'Europe/Vienna'?"),
        ("GMT+25", "GMT"),
        ("../Europe/Vienna", "Did you mean 'Europe/Vienna'?"),
        ("Mars", "Write it like UTC"),
        ("", "Write it like UTC"),
    ],
)
def test_an_unknown_id_is_not_taken_for_gmt(java_id, hint):
    with pytest.raises(ConfigurationError) as raised:
        time_zone(java_id)
    assert hint in raised.value.hint


def test_a_machine_without_zones_is_told_so():
    asked = "from lakeflow.jobs.timing.zones import time_zone; time_zone('Europe/Vienna')"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this machine knows none" in done.stderr
    assert "tzdata" in done.stderr
