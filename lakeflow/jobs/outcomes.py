"""What follows from how tasks ended: whether the next one runs, and what the run came to.

The rules are those of Databricks' `run_if`. They are looked at once, when all tasks before have
ended; retries come before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakeflow.jobs.model import Dependency, Result, RunIf, Task

_CANCELED = frozenset({Result.CANCELED, Result.UPSTREAM_CANCELED})
_PASSED_OVER = frozenset({Result.EXCLUDED, Result.DISABLED})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a task ended.

    Args:
        result: What it came to.
        outcome: `true` or `false` of a condition.
    """

    result: Result
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a task whose predecessors have ended.

    Args:
        result: What it comes to without running; None if it runs.
        reason: Why, in one sentence.
    """

    result: Result | None
    reason: str


def decide(task: Task, endings: Mapping[str, Ending]) -> Verdict:
    """Whether a task runs.

    Args:
        task: The task.
        endings: How each task it depends on has ended, by key.
    """
    if task.disabled:
        return Verdict(Result.DISABLED, f"{task.key} is disabled.")
    before = {each.task: _seen(endings[each.task], each.outcome) for each in task.depends_on}
    said = ", ".join(_said(each, endings[each.task], before) for each in task.depends_on)
    if not before:
        return Verdict(None, f"{task.key} depends on nothing.")
    if all(result in _PASSED_OVER for result in before.values()):
        return Verdict(Result.EXCLUDED, f"All that {task.key} depends on excludes it: {said}.")
    failed = [result for result in before.values() if result.failed]
    succeeded = len(before) - len(failed)
    match task.run_if:
        case RunIf.ALL_SUCCESS | RunIf.NONE_FAILED:
            runs = not failed
        case RunIf.AT_LEAST_ONE_SUCCESS:
            runs = succeeded > 0
        case RunIf.ALL_DONE:
            runs = True
        case RunIf.AT_LEAST_ONE_FAILED:
            runs = bool(failed)
        case RunIf.ALL_FAILED:
            runs = not succeeded
    reason = f"{task.key} runs if {task.run_if}: {said}."
    if runs:
        return Verdict(None, reason)
    if task.run_if in (RunIf.AT_LEAST_ONE_FAILED, RunIf.ALL_FAILED):
        return Verdict(Result.EXCLUDED, reason)
    if _CANCELED.issuperset(failed):
        return Verdict(Result.UPSTREAM_CANCELED, reason)
    return Verdict(Result.UPSTREAM_FAILED, reason)


def _seen(ending: Ending, wanted: str | None) -> Result:
    """A result as a dependency sees it: the branch not taken is excluded."""
    if wanted is not None and ending.outcome is not None and ending.outcome != wanted:
        return Result.EXCLUDED
    return ending.result


def _said(dependency: Dependency, ending: Ending, before: Mapping[str, Result]) -> str:
    if dependency.outcome is not None and ending.outcome is not None:
        return f"{dependency.task} came out {ending.outcome}"
    return f"{dependency.task} is {before[dependency.task]}"


def leaves(tasks: Iterable[Task]) -> list[str]:
    """Keys of the tasks on which no other depends."""
    tasks = list(tasks)
    needed = {each.task for task in tasks for each in task.depends_on}
    return [task.key for task in tasks if task.key not in needed]


def run_result(tasks: Sequence[Task], results: Mapping[str, Result]) -> Result:
    """What a run has come to: its leaves decide.

    Args:
        tasks: All tasks of the run.
        results: What each has come to, by key.
    """
    ends = [results[key] for key in leaves(tasks)]
    failed = [result for result in ends if result.failed]
    if failed:
        return Result.CANCELED if _CANCELED.issuperset(failed) else Result.FAILED
    if any(result.failed or result is Result.SUCCESS_WITH_FAILURES for result in results.values()):
        return Result.SUCCESS_WITH_FAILURES
    return Result.SUCCESS
