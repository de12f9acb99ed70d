"""Ticks of a server that sleeps, wakes, crashes and is told to pause, against plain rules.

The server looks at its trigger now and then and keeps what is decided, as the store does: state
and ticks at once, each tick under its own key. The oracle knows every tick, for those of the
expressions here are multiples of some seconds, and judges each by the first look after it.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from lakeflow.core.clock import FixedClock
from lakeflow.jobs.timing.ticks import AT_ONCE, ON_TIME, TickOutcome, decide_time
from lakeflow.jobs.timing.triggers import read_triggers

CREATED = datetime(2026, 3, 28, 12, 0, 7, 250_000, UTC)
SCHEDULES = {  # by the seconds between ticks
    10: "0/10 * * * * ?",
    60: "0 * * * * ?",
    300: "0 0/5 * * * ?",
    3600: "0 0 * * * ?",
    86400: "0 0 0 * * ?",
}


class Server:
    """Looks at one trigger and keeps what is decided, unless it is killed before."""

    def __init__(self, settings):
        self.settings = settings
        self.clock = FixedClock(CREATED)
        self.state = None
        self.kept = {}
        self.looks = []
        self.wait_until = CREATED

    def look(self, *, killed=False):
        (trigger,), _ = read_triggers(self.settings)
        now = self.clock.now()
        decision = decide_time(trigger, self.state, now)
        if killed:
            return
        assert sum(tick.outcome is TickOutcome.FIRED for tick in decision.ticks) <= AT_ONCE
        for tick in decision.ticks:
            assert tick.fire_time not in self.kept, "a tick comes twice"
            self.kept[tick.fire_time] = tick
        self.state = json.loads(json.dumps(decision.state))
        self.looks.append((now, trigger.paused))
        self.wait_until = decision.wait_until
        assert self.wait_until is None or self.wait_until >= now - timedelta(hours=1)

    def until_idle(self):
        """Looks again as long as more is due at once."""
        self.look()
        while self.wait_until is not None and self.wait_until <= self.clock.now():
            self.look()

    def pause(self, paused):
        inner = self.settings.get("schedule") or self.settings["trigger"]
        inner["pause_status"] = "PAUSED" if paused else "UNPAUSED"


def random_settings(chance, every, policy, age):
    missed = {"missed_runs": policy} | ({"max_missed_age_seconds": age} if age else {})
    if chance.random() < 0.5:
        zone = chance.choice(["UTC", "Etc/UTC", "GMT"])
        return {
            "schedule": {
                "quartz_cron_expression": SCHEDULES[every],
                "timezone_id": zone,
                **missed,
            }
        }
    minutes = max(every // 60, 1)
    return {"trigger": {"periodic": {"interval": minutes, "unit": "MINUTES"}, **missed}}


def live(server, chance, every, steps):
    """Some days of a server."""
    server.look()
    for _ in range(steps):
        match chance.choice(["wake", "wake", "wake", "wake", "sleep", "killed", "pause", "extra"]):
            case "wake" if server.wait_until is not None:
                late = timedelta(seconds=chance.choice([0, 0, 0.001, 1, 40, 60, 61]))
                server.clock.instant = max(server.wait_until + late, server.clock.now())
                server.until_idle()
            case "sleep":
                asleep = chance.choice([0.3, 1.5, 4, 30, 150])
                server.clock.sleep(chance.random() * asleep * every)
                if chance.random() < 0.5:
                    server.until_idle()
            case "killed":
                server.look(killed=True)
            case "pause":
                server.pause(chance.random() < 0.5)
                server.until_idle()
            case "extra":
                server.until_idle()
    server.pause(False)
    server.until_idle()


def due_ticks(server, every):
    """All ticks from the beginning to the last look, by multiplication."""
    if "trigger" in server.settings:
        every = max(every, 60)
        first = CREATED.replace(microsecond=0) + timedelta(seconds=every)
    else:
        midnight = CREATED.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = (CREATED - midnight) // timedelta(seconds=every)
        first = midnight + (passed + 1) * timedelta(seconds=every)
    end, _ = server.looks[-1]
    return [
        first + n * timedelta(seconds=every)
        for n in range((end - first) // timedelta(seconds=every) + 1)
    ]


def expected(server, ticks, policy, age):
    """The outcome of each tick, judged by the first look after it."""
    times = [at for at, _ in server.looks]
    outcomes = {}
    for tick in ticks:
        place = bisect_left(times, tick)
        at = times[place]
        paused = server.looks[place][1] or server.looks[place - 1][1]
        later = any(tick < other <= at for other in ticks[bisect_left(ticks, tick) :][:2])
        too_old = age and at - tick > max(timedelta(seconds=age), ON_TIME)
        if paused:
            outcome = TickOutcome.PAUSED
        elif policy == "run_all":
            outcome = TickOutcome.MISSED if too_old else TickOutcome.FIRED
        elif later or (policy == "skip" and at - tick > ON_TIME):
            outcome = TickOutcome.MISSED
        else:
            outcome = TickOutcome.MISSED if policy == "run_once" and too_old else TickOutcome.FIRED
        outcomes[tick] = outcome
    return outcomes


def unfolded(server, ticks):
    """What was kept, with each tick that stands for several as so many."""
    outcomes = {}
    for at, tick in server.kept.items():
        place = bisect_left(ticks, at)
        for each in ticks[place : place + tick.count]:
            assert each not in outcomes
            outcomes[each] = tick.outcome
    return outcomes


@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all"])
def test_every_tick_has_one_outcome(policy):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    found = Counter()
    for _ in range(250):
        every = chance.choice([*SCHEDULES])
        age = chance.choice([0, 0, 30, 10 * every])
        server = Server(random_settings(chance, every, policy, age))
        live(server, chance, every, steps=25)
        ticks = due_ticks(server, every)
        assert unfolded(server, ticks) == expected(server, ticks, policy, age)
        assert list(server.kept) == sorted(server.kept)
        found.update(expected(server, ticks, policy, age).values())
    assert all(count > 100 for count in found.values())
    assert set(found) == {TickOutcome.FIRED, TickOutcome.MISSED, TickOutcome.PAUSED}


@pytest.mark.parametrize("every", SCHEDULES)
def test_what_a_night_of_sleep_comes_to(every):
    """Said once more without an oracle: which runs start when a laptop is opened again."""
    started = {}
    for policy in ("skip", "run_once", "run_all"):
        server = Server(
            {
                "schedule": {
                    "quartz_cron_expression": SCHEDULES[every],
                    "timezone_id": "UTC",
                    "missed_runs": policy,
                }
            }
        )
        server.look()
        server.clock.sleep(200.5 * every)
        server.until_idle()
        ticks = due_ticks(server, every)
        assert len(ticks) in (200, 201)
        fired = [at for at, tick in server.kept.items() if tick.outcome is TickOutcome.FIRED]
        started[policy] = fired
    late = server.clock.now() - ticks[-1]
    assert started["skip"] == ([ticks[-1]] if late <= ON_TIME else [])
    assert started["run_once"] == [ticks[-1]]
    assert started["run_all"] == ticks


def test_a_year_of_sleep_is_told_in_few_words():
    server = Server(
        {"schedule": {"quartz_cron_expression": "0/10 * * * * ?", "timezone_id": "Europe/Vienna"}}
    )
    server.look()
    server.clock.sleep(365 * 86400)
    server.until_idle()
    *missed, latest = server.kept.values()
    assert latest.outcome is TickOutcome.FIRED
    assert server.clock.now() - latest.fire_time < timedelta(seconds=10)
    assert len(missed) == AT_ONCE + 1
    assert missed[-1].reason.endswith("10000 or more.")


@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all"])
def test_a_clock_that_goes_back_repeats_nothing(policy):
    every_minute = {"quartz_cron_expression": "0 * * * * ?", "timezone_id": "UTC"}
    server = Server({"schedule": {**every_minute, "missed_runs": policy}})
    server.look()
    for step in [90, -50, 30, -3600, 10, 3600, 61]:
        server.clock.sleep(step)
        server.look()
    fired = [at for at, tick in server.kept.items() if tick.outcome is TickOutcome.FIRED]
    assert fired == [CREATED.replace(minute=m, second=0, microsecond=0) for m in (1, 2)]
