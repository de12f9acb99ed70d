"""What random jobs come to, beside the rules of Databricks written down a second time."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.jobs.model import Result, RunIf
from tests.unit.jobs.scripted import World, script

GOOD = {"SUCCESS", "EXCLUDED", "DISABLED", "SUCCESS_WITH_FAILURES"}
OUTCOMES = ("SUCCESS", "FAILED", "CANCELED")


def oracle(tasks: list[dict], ends: dict[str, str]) -> tuple[dict[str, str], str]:
    """Results of the tasks and of the run; tasks stand in an order in which they can run."""
    result: dict[str, str] = {}
    for task in tasks:
        key = task["task_key"]
        before = []
        for each in task["depends_on"]:
            seen = result[each["task_key"]]
            branch_taken = ends[each["task_key"]].removeprefix("branch ")
            if "outcome" in each and seen == "SUCCESS" and each["outcome"] != branch_taken:
                seen = "EXCLUDED"
            before.append(seen)
        good = [each in GOOD for each in before]
        ran = [each in ("SUCCESS", "SUCCESS_WITH_FAILURES") for each in before]
        passed_over = [each in ("EXCLUDED", "DISABLED") for each in before]
        meets = {
            "ALL_SUCCESS": all(good),
            "AT_LEAST_ONE_SUCCESS": any(good),
            "NONE_FAILED": all(good) and any(ran),
            "ALL_DONE": True,
            "AT_LEAST_ONE_FAILED": not all(good),
            "ALL_FAILED": not any(good),
        }[task["run_if"]]
        if task["disabled"]:
            result[key] = "DISABLED"
        elif not before:
            result[key] = ends[key] if ends[key] in OUTCOMES else "SUCCESS"
        elif all(passed_over):
            result[key] = "EXCLUDED"
        elif meets:
            result[key] = ends[key] if ends[key] in OUTCOMES else "SUCCESS"
        elif task["run_if"] in ("AT_LEAST_ONE_FAILED", "ALL_FAILED"):
            result[key] = "EXCLUDED"
        elif all(each in ("CANCELED", "UPSTREAM_CANCELED") for each in before if each not in GOOD):
            result[key] = "UPSTREAM_CANCELED"
        else:
            result[key] = "UPSTREAM_FAILED"
    needed = {each["task_key"] for task in tasks for each in task["depends_on"]}
    leaves = [result[key] for key in result if key not in needed]
    bad = [each for each in leaves if each not in GOOD]
    if any(each not in ("CANCELED", "UPSTREAM_CANCELED") for each in bad):
        return result, "FAILED"
    if bad:
        return result, "CANCELED"
    if all(each in GOOD for each in result.values()):
        return result, "SUCCESS"
    return result, "SUCCESS_WITH_FAILURES"


@st.composite
def jobs(draw):
    tasks, ends = [], {}
    for number in range(draw(st.integers(1, 8))):
        key = f"t{number}"
        after = []
        for earlier in tasks:
            if draw(st.booleans()):
                name = earlier["task_key"]
                if ends[name].startswith("branch") and draw(st.booleans()):
                    name += draw(st.sampled_from([":true", ":false"]))
                after.append(name)
        more = {
            "run_if": str(draw(st.sampled_from(list(RunIf)))),
            "disabled": draw(st.integers(0, 9)) == 0,
        }
        if draw(st.integers(0, 3)) == 0:
            branch = draw(st.sampled_from(["true", "false"]))
            ends[key] = f"branch {branch}"
            more["condition_task"] = {"op": "EQUAL_TO", "left": branch, "right": "true"}
        else:
            ends[key] = draw(st.sampled_from(OUTCOMES))
        tasks.append(script(key, *after, **more))
    return tasks, ends, draw(st.randoms(use_true_random=False))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs())
def test_random_jobs_come_to_what_the_rules_say(drawn):
    tasks, ends, random = drawn
    expected, expected_run = oracle(tasks, ends)
    shuffled = random.sample(tasks, len(tasks))
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        run = world.run(world.job({"name": "random", "tasks": shuffled}))
        kills = random.randint(0, 4)
        while running := world.running():
            if kills and random.random() < 0.3:  # a server is killed; what ran is tried again
                kills -= 1
                world.crash()
                assert set(world.running()) == set(running)
                continue
            world.end(key := random.choice(sorted(running)), Result(ends[key]))
        row = world.row(run)
        world.store.close()
        reopened = World(Path(folder))
        assert reopened.results(run) == expected
        assert (row.state, row.result) == ("TERMINATED", expected_run)
        assert not reopened.running()
        handed = [each.task_key for each in reopened.attempts(run) if each.started is not None]
        ran = {k for k, r in expected.items() if r in (*OUTCOMES, "SUCCESS_WITH_FAILURES")}
        assert set(handed) == ran
        reopened.store.close()


def test_every_rule_on_every_pair_of_results():
    """The table of the rules, read off the code for two tasks before a third."""
    from lakeflow.jobs.model import Dependency, Task, Work
    from lakeflow.jobs.outcomes import Ending, decide

    kinds = [each for each in Result if each is not Result.MAXIMUM_CONCURRENT_RUNS_REACHED]
    seen = set()
    for rule, first, second in itertools.product(RunIf, kinds, kinds):
        task = Task("c", Work("shell_task", {}), (Dependency("a"), Dependency("b")), rule)
        verdict = decide(task, {"a": Ending(first), "b": Ending(second)})
        good = (first in GOOD) + (second in GOOD)
        passed_over = {first, second} <= {Result.EXCLUDED, Result.DISABLED}
        runs = {
            RunIf.ALL_SUCCESS: good == 2,
            RunIf.AT_LEAST_ONE_SUCCESS: good >= 1,
            RunIf.NONE_FAILED: good == 2,
            RunIf.ALL_DONE: True,
            RunIf.AT_LEAST_ONE_FAILED: good <= 1,
            RunIf.ALL_FAILED: good == 0,
        }[rule] and not passed_over
        assert (verdict.result is None) == runs, (rule, first, second)
        seen.add(verdict.result)
    assert seen == {None, Result.EXCLUDED, Result.UPSTREAM_FAILED, Result.UPSTREAM_CANCELED}
