"""Decisions on schedules and periodic triggers, one at a time; random histories are elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.jobs.timing.ticks import TickOutcome, decide_time, from_millis, to_millis, upcoming
from lakeflow.jobs.timing.triggers import read_triggers

NOW = datetime(2026, 3, 27, 12, 0, 30, tzinfo=UTC)


def schedule(expression="0 0 * * * ?", zone="UTC", **more):
    given = {"quartz_cron_expression": expression, "timezone_id": zone, **more}
    return read_triggers({"schedule": given})[0][0]


def periodic(interval, unit, **more):
    return read_triggers({"trigger": {"periodic": {"interval": interval, "unit": unit}, **more}})[
        0
    ][0]


def test_a_new_trigger_waits_for_its_first_tick():
    decision = decide_time(schedule(), None, NOW)
    assert decision.ticks == ()
    assert decision.wait_until == NOW.replace(hour=13, second=0, minute=0)
    assert decision.reason == "The next tick is 2026-03-27 13:00:00 UTC."


def test_a_tick_that_is_due_fires_and_says_so():
    first = decide_time(schedule(), None, NOW)
    at = first.wait_until + timedelta(milliseconds=20)
    (tick,) = decide_time(schedule(), first.state, at).ticks
    assert (tick.fire_time, tick.outcome) == (first.wait_until, TickOutcome.FIRED)
    assert tick.reason == "It was due."


def test_reasons_of_ticks_after_a_sleep():
    first = decide_time(schedule(), None, NOW)
    late = NOW + timedelta(hours=5)
    said = {}
    for policy in ("skip", "run_once", "run_all"):
        ticks = decide_time(schedule(missed_runs=policy), first.state, late).ticks
        said[policy] = [(tick.outcome, tick.reason) for tick in ticks]
    assert said["run_once"] == [
        (
            TickOutcome.MISSED,
            "A later tick was due when it was looked at, and missed_runs is run_once.",
        )
    ] * 4 + [(TickOutcome.FIRED, "It was due.")]
    decision = decide_time(schedule(missed_runs="skip"), first.state, late + timedelta(minutes=5))
    assert decision.ticks[-1].outcome is TickOutcome.MISSED
    assert decision.ticks[-1].reason == "It was looked at 5 minutes late, and missed_runs is skip."
    assert said["run_all"][0] == (
        TickOutcome.FIRED,
        "It was looked at 4 hours late, and missed_runs is run_all.",
    )


def test_an_age_that_is_too_great():
    first = decide_time(schedule(), None, NOW)
    late = NOW + timedelta(hours=5, minutes=10)
    trigger = schedule(max_missed_age_seconds=300)
    assert decide_time(trigger, first.state, late).ticks[-1].reason == (
        "It was older than max_missed_age_seconds (300)."
    )


def test_a_changed_expression_does_not_fire_for_the_past():
    first = decide_time(schedule(), None, NOW)
    decision = decide_time(schedule("0 0 13 * * ?"), first.state, NOW + timedelta(hours=5))
    assert decision.ticks == ()
    assert decision.wait_until == datetime(2026, 3, 28, 13, tzinfo=UTC)


def test_a_schedule_that_is_over_waits_for_nothing():
    decision = decide_time(schedule("0 0 0 1 1 ? 2020"), None, NOW)
    assert decision.wait_until is None
    assert decision.reason == "The schedule has no further tick."


def test_a_paused_trigger_waits_for_nothing():
    decision = decide_time(schedule(pause_status="PAUSED"), None, NOW)
    assert (decision.wait_until, decision.reason) == (None, "The trigger is paused.")


def test_a_periodic_trigger_counts_from_when_it_was_first_seen():
    trigger = periodic(90, "MINUTES")
    first = decide_time(trigger, None, NOW)
    assert first.wait_until == NOW + timedelta(minutes=90)
    decision = decide_time(trigger, first.state, NOW + timedelta(minutes=100))
    assert decision.wait_until == NOW + timedelta(minutes=180)
    paused = decide_time(periodic(90, "MINUTES", pause_status="PAUSED"), decision.state, NOW)
    resumed = decide_time(trigger, paused.state, NOW + timedelta(minutes=200))
    assert [tick.outcome for tick in resumed.ticks] == [TickOutcome.PAUSED]
    assert resumed.wait_until == NOW + timedelta(minutes=270)


def test_a_clock_that_was_wrong_is_told_of():
    first = decide_time(schedule(), None, NOW + timedelta(days=400))
    decision = decide_time(schedule(), first.state, NOW)
    assert decision.reason.endswith(
        "The clock has gone back; what it shows now has been decided before."
    )


def test_upcoming_ticks_say_where_clocks_are_changed():
    trigger = schedule("0 30 2 * * ?", "Europe/Vienna")
    found = upcoming(trigger, NOW, 3)
    assert [f"{each.local:%d %H:%M}" for each in found] == ["28 02:30", "29 03:00", "30 02:30"]
    assert [each.note for each in found] == [
        "",
        "Clocks are put forward past 02:30:00 that day; it fires at 03:00:00.",
        "",
    ]


def test_upcoming_ticks_of_an_hour_that_comes_twice():
    at = datetime(2026, 10, 24, 23, 40, tzinfo=UTC)
    once = upcoming(schedule("0 30 2 * * ?", "Europe/Vienna"), at, 1)
    assert once[0].note == "Clocks show 02:30:00 twice that day; this is the first time."
    found = upcoming(schedule("0 30 * * * ?", "Europe/Vienna"), at, 3)
    assert [each.note[-17:] for each in found] == ["s the first time.", " the second time.", ""]
    assert found[1].fire_time - found[0].fire_time == timedelta(hours=1)


def test_upcoming_ticks_of_a_periodic_trigger_are_those_it_has():
    trigger = periodic(1, "DAYS", pause_status="PAUSED")
    first = decide_time(trigger, None, NOW)
    found = upcoming(trigger, NOW + timedelta(hours=30), 2, first.state)
    assert [each.fire_time for each in found] == [NOW + timedelta(days=n) for n in (2, 3)]
    before = upcoming(trigger, NOW - timedelta(days=9), 1, first.state)
    assert [each.fire_time for each in before] == [NOW + timedelta(days=1)]


def test_what_cannot_be_foretold_has_no_upcoming_ticks():
    (trigger,), _ = read_triggers({"continuous": {}})
    assert upcoming(trigger, NOW, 5) == ()
    with pytest.raises(TypeError, match="no ticks of its own"):
        decide_time(trigger, None, NOW)


def test_milliseconds_there_and_back():
    instant = datetime(2026, 3, 27, 12, 0, 30, 123_999, UTC)
    assert from_millis(to_millis(instant)) == instant.replace(microsecond=123_000)
