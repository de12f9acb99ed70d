"""Files, tables, continuous jobs and conditions; long random histories are elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.jobs.timing.event_triggers import (
    LONG_SURVIVAL,
    PAUSE_BETWEEN_RUNS,
    TableVersion,
    after_run,
    condition_failed,
    decide_continuous,
    decide_files,
    decide_tables,
    is_backing_off,
    restarted,
    with_condition,
)
from lakeflow.jobs.timing.ticks import TickOutcome, decide_time
from lakeflow.jobs.timing.triggers import read_triggers

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def trigger_of(settings):
    return read_triggers(settings)[0][0]


def files(**more):
    return trigger_of({"trigger": {"file_arrival": {"url": "in/", **more}}})


def test_files_that_were_there_before_do_not_fire():
    first = decide_files(files(), None, NOW, {"a": "1"}, set())
    assert (first.ticks, first.seen) == ((), ("a",))
    assert decide_files(files(), first.state, NOW, {"a": "2"}, {"a"}).ticks == ()


def test_new_files_fire_together_and_are_handed_on():
    first = decide_files(files(), None, NOW, {}, set())
    decision = decide_files(files(), first.state, NOW + MINUTE, {"b": "1", "a": "1"}, set())
    (tick,) = decision.ticks
    assert tick.fire_time == NOW + MINUTE
    assert tick.details == {"location": "in/", "files": ["a", "b"]}
    assert tick.reason == "New: 2 files (a, b)."
    assert decision.seen == ("a", "b")


def test_what_a_trigger_waits_for_is_said():
    trigger = files(wait_after_last_change_seconds=60, min_time_between_triggers_seconds=300)
    first = decide_files(trigger, None, NOW, {}, set())
    quiet = decide_files(trigger, first.state, NOW, {"a": "1"}, set())
    assert (quiet.reason, quiet.wait_until) == (
        "It waits for quiet after 1 file (a).",
        NOW + MINUTE,
    )
    fired = decide_files(trigger, quiet.state, NOW + MINUTE, {"a": "1"}, set())
    assert fired.ticks
    again = decide_files(trigger, fired.state, NOW + 2 * MINUTE, {"b": "1"}, {"a"})
    assert again.reason == "It waits with 1 file (b), for it has fired not long ago."
    assert again.wait_until == NOW + 6 * MINUTE


def test_a_file_that_goes_and_comes_again_is_a_change():
    trigger = files(wait_after_last_change_seconds=60)
    first = decide_files(trigger, None, NOW, {}, set())
    came = decide_files(trigger, first.state, NOW, {"a": "1"}, set())
    gone = decide_files(trigger, came.state, NOW + MINUTE / 2, {}, set())
    assert (gone.wait_until, gone.reason) == (None, "Nothing new.")
    again = decide_files(trigger, gone.state, NOW + MINUTE, {"a": "1"}, set())
    assert again.wait_until == NOW + 2 * MINUTE


def test_files_of_a_pause_fire_afterwards():
    first = decide_files(files(), None, NOW, {}, set())
    paused = trigger_of({"trigger": {"file_arrival": {"url": "in/"}, "pause_status": "PAUSED"}})
    held = decide_files(paused, first.state, NOW, {"a": "1"}, set())
    assert held.reason == "The trigger is paused; 1 file (a) will fire later."
    assert decide_files(files(), held.state, NOW + MINUTE, {"a": "1"}, set()).ticks


def test_another_folder_begins_anew():
    first = decide_files(files(), None, NOW, {}, set())
    moved = trigger_of({"trigger": {"file_arrival": {"url": "elsewhere/"}}})
    assert decide_files(moved, first.state, NOW, {"elsewhere/a": "1"}, set()).ticks == ()


def test_a_clock_that_goes_back_neither_holds_a_trigger_nor_repeats_a_key():
    trigger = files(min_time_between_triggers_seconds=60)
    first = decide_files(trigger, None, NOW, {}, set())
    fired = decide_files(trigger, first.state, NOW, {"a": "1"}, set())
    early = NOW - timedelta(days=30)
    waiting = decide_files(trigger, fired.state, early, {"b": "1"}, {"a"})
    assert waiting.wait_until == early + MINUTE
    again = decide_files(trigger, waiting.state, early + MINUTE, {"b": "1"}, {"a"})
    assert again.ticks[0].fire_time > fired.ticks[0].fire_time


def tables(condition="ANY_UPDATED"):
    given = {"table_names": ["a", "b"], "condition": condition}
    return trigger_of({"trigger": {"table_update": given}})


def test_tables_are_handed_on_with_version_and_time():
    first = decide_tables(tables(), None, NOW, {"main.default.a": TableVersion(3)})
    shown = {"main.default.a": TableVersion(4, NOW), "main.default.b": TableVersion(0)}
    (tick,) = decide_tables(tables(), first.state, NOW + MINUTE, shown).ticks
    assert tick.details == {
        "updated_tables": ["main.default.a", "main.default.b"],
        "versions": {"main.default.a": 4, "main.default.b": 0},
        "commit_timestamps_ms": {"main.default.a": 1777636800000},
    }


def test_all_tables_must_be_updated():
    trigger = tables("ALL_UPDATED")
    shown = {"main.default.a": TableVersion(1), "main.default.b": TableVersion(1)}
    first = decide_tables(trigger, None, NOW, shown)
    shown["main.default.a"] = TableVersion(2)
    half = decide_tables(trigger, first.state, NOW, shown)
    assert half.ticks == ()
    assert half.reason == ("Of its tables only 1 table (main.default.a) got a new version so far.")
    # One that cannot be read for a while is neither updated nor forgotten.
    gone = decide_tables(trigger, half.state, NOW, {"main.default.a": TableVersion(2)})
    shown["main.default.b"] = TableVersion(2)
    assert decide_tables(trigger, gone.state, NOW, shown).ticks


def test_a_table_that_could_not_be_read_when_another_fired_has_not_changed():
    shown = {"main.default.a": TableVersion(1), "main.default.b": TableVersion(1)}
    first = decide_tables(tables(), None, NOW, shown)
    fired = decide_tables(tables(), first.state, NOW, {"main.default.a": TableVersion(2)})
    assert fired.ticks
    shown["main.default.a"] = TableVersion(2)
    assert decide_tables(tables(), fired.state, NOW + MINUTE, shown).ticks == ()


def test_another_kind_of_trigger_is_not_taken():
    with pytest.raises(TypeError, match="does not wait for files"):
        decide_files(tables(), None, NOW, {}, set())
    with pytest.raises(TypeError, match="does not wait for tables"):
        decide_tables(files(), None, NOW, {})
    with pytest.raises(TypeError, match="is not continuous"):
        decide_continuous(files(), None, NOW, active=False)


CONTINUOUS = trigger_of({"continuous": {}})


def test_a_continuous_job_starts_at_once_and_again_after_a_pause():
    first = decide_continuous(CONTINUOUS, None, NOW, active=False)
    assert [tick.fire_time for tick in first.ticks] == [NOW]
    busy = decide_continuous(CONTINUOUS, first.state, NOW, active=True)
    assert (busy.ticks, busy.reason) == ((), "A run is active.")
    state = after_run(busy.state, NOW, NOW + MINUTE, failed=False)
    waiting = decide_continuous(CONTINUOUS, state, NOW + MINUTE, active=False)
    assert waiting.wait_until == NOW + MINUTE + PAUSE_BETWEEN_RUNS


def failed_five_times():
    state = decide_continuous(CONTINUOUS, None, NOW, active=False).state
    for _ in range(5):
        state = after_run(state, NOW, NOW, failed=True)
    return state


def test_a_job_that_fails_waits_and_is_started_by_hand():
    state = failed_five_times()
    assert is_backing_off(state, NOW)
    waiting = decide_continuous(CONTINUOUS, state, NOW, active=False)
    assert waiting.wait_until == NOW + timedelta(seconds=120)
    assert waiting.reason.endswith("UTC, for 5 runs in a row have failed.")
    assert decide_continuous(CONTINUOUS, restarted(state), NOW, active=False).ticks


def test_a_job_that_is_started_by_hand_before_its_trigger_was_looked_at():
    assert decide_continuous(CONTINUOUS, restarted({}), NOW, active=False).ticks


@pytest.mark.parametrize(
    ("lasted", "failed", "row"),
    [(0, True, 6), (0, False, 0), (1, True, 1)],
)
def test_what_ends_a_row_of_failures(lasted, failed, row):
    state = after_run(failed_five_times(), NOW, NOW + lasted * LONG_SURVIVAL, failed=failed)
    assert state["consecutive_failures"] == row


def test_a_paused_continuous_job_starts_at_once_when_it_is_resumed():
    paused = trigger_of({"continuous": {"pause_status": "PAUSED"}})
    held = decide_continuous(paused, failed_five_times(), NOW, active=False)
    assert held.ticks == ()
    assert decide_continuous(CONTINUOUS, held.state, NOW, active=False).ticks


def test_a_clock_that_goes_back_does_not_hold_a_continuous_job():
    state = after_run(failed_five_times(), NOW, NOW, failed=False)
    early = NOW - timedelta(days=1)
    assert decide_continuous(CONTINUOUS, state, early, active=False).wait_until <= early + MINUTE


def conditioned(kind, mode):
    condition = {"sql_query_id": "q", "warehouse_id": "w", "trigger_mode": mode}
    if kind == "schedule":
        every = {"quartz_cron_expression": "0 * * * * ?", "timezone_id": "UTC"}
        return trigger_of({"schedule": {**every, "sql_condition": condition}})
    return trigger_of({"trigger": {"file_arrival": {"url": "in/"}, "sql_condition": condition}})


def test_rows_of_a_query_let_a_schedule_fire():
    trigger = conditioned("schedule", "QUERY_RETURNS_ROWS")
    state = decide_time(trigger, None, NOW).state
    outcomes = []
    for minute, rows in enumerate([[], [[1], [2]], [[]]], 1):
        decision = decide_time(trigger, state, NOW + minute * MINUTE)
        answered = with_condition(trigger.condition, state, decision, rows)
        outcomes += [tick.outcome for tick in answered.ticks]
        state = answered.state
        assert answered.wait_until == NOW + (minute + 1) * MINUTE
    assert outcomes == [TickOutcome.UNMET, TickOutcome.FIRED, TickOutcome.FIRED]


def test_a_value_that_changes_lets_a_schedule_fire():
    trigger = conditioned("schedule", "RESULT_VALUE_CHANGES")
    state = decide_time(trigger, None, NOW).state
    outcomes = []
    for minute, rows in enumerate([[[1]], [[1]], [[2]], [], [[2]], [[None]], [[None]]], 1):
        decision = decide_time(trigger, state, NOW + minute * MINUTE)
        answered = with_condition(trigger.condition, state, decision, rows)
        outcomes += [str(tick.outcome) for tick in answered.ticks]
        state = answered.state
    assert outcomes == "FIRED UNMET FIRED FAILED UNMET FIRED UNMET".split()


def test_the_first_answer_fires_also_if_it_is_null_and_so_does_that_of_another_query():
    trigger = conditioned("schedule", "RESULT_VALUE_CHANGES")
    first = decide_time(trigger, None, NOW)
    due = decide_time(trigger, first.state, NOW + MINUTE)
    answered = with_condition(trigger.condition, first.state, due, [[None]])
    assert answered.ticks[0].outcome is TickOutcome.FIRED
    assert answered.state["condition"] == {"query": "q", "value": None, "satisfied": True}


def test_files_that_a_query_turned_away_fire_with_the_next_ones():
    trigger = conditioned("files", "QUERY_RETURNS_ROWS")
    first = decide_files(trigger, None, NOW, {}, set())
    due = decide_files(trigger, first.state, NOW, {"a": "1"}, set())
    unmet = with_condition(trigger.condition, first.state, due, [])
    assert [tick.outcome for tick in unmet.ticks] == [TickOutcome.UNMET]
    assert unmet.seen == ()
    quiet = decide_files(trigger, unmet.state, NOW + MINUTE, {"a": "1"}, set())
    assert quiet.ticks == ()
    assert quiet.reason == "The condition turned 1 file (a) away; it waits for more."
    assert decide_files(files(), quiet.state, NOW + MINUTE, {"a": "1"}, set()).ticks  # without it
    more = decide_files(trigger, quiet.state, NOW + 2 * MINUTE, {"a": "1", "b": "1"}, set())
    met = with_condition(trigger.condition, quiet.state, more, [[1]])
    assert met.ticks[0].details["files"] == ["a", "b"]
    assert met.seen == ("a", "b")
    assert "turned_away" not in met.state


def test_tables_that_a_query_turned_away_are_still_updated():
    given = {"table_update": {"table_names": ["a"]}}
    given["sql_condition"] = {"sql_query_id": "q", "warehouse_id": "w"}
    trigger = trigger_of({"trigger": given})
    first = decide_tables(trigger, None, NOW, {"main.default.a": TableVersion(1)})
    due = decide_tables(trigger, first.state, NOW, {"main.default.a": TableVersion(2)})
    unmet = with_condition(trigger.condition, first.state, due, [])
    assert unmet.state["fired"] == {"main.default.a": 1}
    again = decide_tables(trigger, unmet.state, NOW, {"main.default.a": TableVersion(3)})
    assert again.ticks[0].details["versions"] == {"main.default.a": 3}


def test_a_query_that_could_not_be_asked_is_asked_again():
    trigger = conditioned("files", "QUERY_RETURNS_ROWS")
    first = decide_files(trigger, None, NOW, {}, set())
    due = decide_files(trigger, first.state, NOW, {"a": "1"}, set())
    failed = condition_failed(first.state, due, "The warehouse w is not there.")
    assert failed.ticks[0].outcome is TickOutcome.FAILED
    assert failed.ticks[0].reason == "The warehouse w is not there."
    assert decide_files(trigger, failed.state, NOW + MINUTE, {"a": "1"}, set()).ticks


def test_a_continuous_job_whose_condition_is_not_met_waits_a_minute():
    given = {"continuous": {}, "sql_condition": {"sql_query_id": "q", "warehouse_id": "w"}}
    trigger = trigger_of({"triggers": [given]})
    before = decide_continuous(trigger, None, NOW, active=True).state
    due = decide_continuous(trigger, before, NOW, active=False)
    unmet = with_condition(trigger.condition, before, due, [])
    assert unmet.wait_until == NOW + MINUTE
    waiting = decide_continuous(trigger, unmet.state, NOW + MINUTE / 2, active=False)
    assert (waiting.ticks, waiting.wait_until) == ((), NOW + MINUTE)
