"""Triggers that wait for files, tables and runs, against a second-by-second account."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.jobs.timing import event_triggers
from lakeflow.jobs.timing.event_triggers import (
    TableVersion,
    after_run,
    decide_continuous,
    decide_files,
    decide_tables,
)
from lakeflow.jobs.timing.triggers import read_triggers

CREATED = datetime(2026, 5, 1, tzinfo=UTC)
TABLES = ["main.shop.a", "main.shop.b", "main.shop.c"]


def at(second):
    return CREATED + timedelta(seconds=second)


def second_of(tick):
    return round((tick.fire_time - CREATED).total_seconds())


def settings(chance, kind, **more):
    timers = {
        "min_time_between_triggers_seconds": chance.choice([None, 60, 90, 300]),
        "wait_after_last_change_seconds": chance.choice([None, 60, 75, 120]),
    }
    given = {"trigger": {kind: {**more, **timers}}}
    return given, timers[next(iter(timers))] or 0, timers[[*timers][1]] or 0


class Folder:
    """Files that come, grow, are overwritten and removed at random."""

    def __init__(self, chance):
        self.chance = chance
        self.files = {f"old{n}": "0" for n in range(3)}
        self.old = set(self.files)
        self.made = 0

    def change(self, fired):
        """One change; says whether one that a trigger would see has happened."""
        waiting = sorted(set(self.files) - fired - self.old)
        match self.chance.choice(["new", "new", "grow", "overwrite", "remove"]):
            case "new":
                self.made += 1
                self.files[f"new{self.made}"] = "0"
                return True
            case "grow" if waiting:
                name = self.chance.choice(waiting)
                self.files[name] = str(int(self.files[name]) + 1)
                return True
            case "overwrite" if fired | self.old:
                name = self.chance.choice(sorted(fired | self.old))
                if name in self.files:
                    self.files[name] += "1"
            case "remove" if fired & set(self.files):
                del self.files[self.chance.choice(sorted(fired & set(self.files)))]
        return False


@pytest.mark.parametrize("history", range(12))
def test_files_fire_as_in_a_second_by_second_account(history):
    seed = random.randrange(2**32) + history
    print("seed", seed)
    chance = random.Random(seed)
    given, least, quiet = settings(chance, "file_arrival", url="landing/")
    busy = chance.choice([0.002, 0.01, 0.03])
    (trigger,), _ = read_triggers(given)
    folder, fired, seen, state = Folder(chance), set(), set(), None
    last_change = last_fire = None
    for second in range(2000):
        if second and chance.random() < busy:
            for _ in range(chance.choice([1, 1, 4])):
                if folder.change(fired):
                    last_change = second
        decision = decide_files(trigger, state, at(second), folder.files, seen)
        if chance.random() < 0.1:  # killed before anything is kept; looked at again at once
            decision = decide_files(trigger, state, at(second), folder.files, seen)
        state = json.loads(json.dumps(decision.state))
        seen |= set(decision.seen)

        waiting = set(folder.files) - fired - folder.old
        due = (
            bool(waiting)
            and second - last_change >= quiet
            and (last_fire is None or second - last_fire >= least)
        )
        assert [second_of(tick) for tick in decision.ticks] == ([second] if due else [])
        if due:
            assert set(decision.ticks[0].details["files"]) == waiting
            fired |= waiting
            last_fire = second
        elif waiting:
            ready = max(last_change + quiet, (last_fire or -(10**6)) + least)
            assert decision.wait_until == at(ready)
        else:
            assert decision.wait_until is None
    assert fired or folder.made == 0 or quiet or least


@pytest.mark.parametrize("history", range(12))
def test_tables_fire_as_in_a_second_by_second_account(history):
    seed = random.randrange(2**32) + history
    print("seed", seed)
    chance = random.Random(seed)
    condition = chance.choice(["ANY_UPDATED", "ALL_UPDATED"])
    given, least, quiet = settings(chance, "table_update", table_names=TABLES, condition=condition)
    (trigger,), _ = read_triggers(given)
    versions = {TABLES[0]: 3, TABLES[1]: 0}  # the third is made later
    changed, last_change, last_fire, state = set(), None, None, None
    ticks = 0
    for second in range(2000):
        busy = second and second < 1400 and chance.random() < 0.01
        for name in TABLES if second == 1400 else [chance.choice(TABLES)] if busy else []:
            versions[name] = versions.get(name, -1) + chance.choice([1, 1, 2])
            changed.add(name)
            last_change = second
        shown = {name: TableVersion(version, at(second)) for name, version in versions.items()}
        decision = decide_tables(trigger, state, at(second), shown)
        state = json.loads(json.dumps(decision.state))

        enough = changed == set(TABLES) if condition == "ALL_UPDATED" else bool(changed)
        due = (
            enough
            and second - last_change >= quiet
            and (last_fire is None or second - last_fire >= least)
        )
        assert [second_of(tick) for tick in decision.ticks] == ([second] if due else [])
        if due:
            details = decision.ticks[0].details
            assert set(details["updated_tables"]) == changed
            assert details["versions"] == {name: versions[name] for name in changed}
            changed, last_fire = set(), second
            ticks += 1
    assert ticks


@pytest.mark.parametrize("history", range(12))
def test_files_seen_by_a_server_that_looks_rarely_fire_once(history):
    """Looks are minutes apart, sometimes the trigger is paused, sometimes a look is lost."""
    seed = random.randrange(2**32) + history
    print("seed", seed)
    chance = random.Random(seed)
    given, least, _ = settings(chance, "file_arrival", url="landing/")
    folder, fired, seen, state, fires = Folder(chance), [], set(), None, []
    for second in range(0, 9_000, chance.choice([7, 60, 300])):
        for _ in range(chance.choice([0, 0, 1, 3]) if second else 0):
            if second < 8_000:
                folder.change(set(fired))
        paused = second < 8_000 and chance.random() < 0.1
        given["trigger"]["pause_status"] = "PAUSED" if paused else "UNPAUSED"
        (trigger,), _ = read_triggers(given)
        decision = decide_files(trigger, state, at(second), folder.files, seen)
        if 0 < second < 8_000 and chance.random() < 0.2:
            continue
        state = json.loads(json.dumps(decision.state))
        seen |= set(decision.seen)
        for tick in decision.ticks:
            assert not paused
            assert not fires or second - fires[-1] >= least
            fires.append(second)
            fired += tick.details["files"]
    assert sorted(fired) == sorted(f"new{n + 1}" for n in range(folder.made))


@pytest.mark.parametrize("history", range(10))
def test_a_continuous_job_has_one_run_and_backs_off(history):
    seed = random.randrange(2**32) + history
    print("seed", seed)
    chance = random.Random(seed)
    waits = [5, 5, 5, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    (trigger,), _ = read_triggers({"continuous": {}})
    state, second, failures, ended = None, 0, 0, None
    keys = set()
    for _ in range(60):
        decision = decide_continuous(trigger, state, at(second), active=False)
        if ended is not None:
            early = decision
            assert early.ticks == ()
            assert early.wait_until == at(ended + waits[min(failures, 13)])
            assert event_triggers.is_backing_off(state, at(second)) == (failures >= 3)
            second = ended + waits[min(failures, 13)]
            just_before = at(second) - timedelta(milliseconds=1)
            assert not decide_continuous(trigger, state, just_before, active=False).ticks
            decision = decide_continuous(trigger, state, at(second), active=False)
        (tick,) = decision.ticks
        assert tick.fire_time not in keys
        keys.add(tick.fire_time)
        state = json.loads(json.dumps(decision.state))
        length = chance.choice([0, 1, 60, 1799, 1800, 90_000])
        assert not decide_continuous(trigger, state, at(second + length // 2), active=True).ticks
        failed = chance.random() < 0.8
        long = length >= 1800
        failures = 0 if not failed else 1 if long else failures + 1
        ended = second + length
        state = dict(after_run(state, at(second), at(ended), failed=failed))
        second = ended
