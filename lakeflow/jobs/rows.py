"""What `jobs.db` holds of jobs, runs and attempts, one frozen value to a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakeflow.jobs.model import JsonValue, Result


@dataclass(frozen=True, slots=True)
class JobRow:
    """A saved job.

    Args:
        job_id: Its id.
        settings: As they were given.
        root: Folder against which its relative paths are taken.
        created: When, in milliseconds since 1970.
        creator: By whom.
        version: Goes up with each change.
        key: Its key in the file that declares it; None for jobs of the API.
        source: That file.
    """

    job_id: int
    settings: Mapping[str, JsonValue]
    root: str
    created: int
    creator: str
    version: int = 1
    key: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run of a job, or one that was submitted without one.

    Args:
        run_id: Its id; ids of runs and attempts are never the same.
        job_id: The job; that of its own for what was submitted.
        type: `JOB_RUN`, `SUBMIT_RUN` or `WORKFLOW_RUN`.
        name: Of the job when the run began.
        settings: Of the job when the run began, or when it was last repaired.
        root: Folder against which relative paths are taken.
        parameters: Values of the job's parameters.
        legacy: Older fields of the request, such as `notebook_params`.
        trigger: What began it, such as `ONE_TIME` or `PERIODIC`.
        trigger_info: More of that.
        state: `QUEUED`, `RUNNING`, `TERMINATING` or `TERMINATED`.
        result: What it came to.
        code: Databricks' termination code.
        message: Why, in one sentence.
        created: When it was accepted, in milliseconds since 1970.
        started: When its first task could begin.
        ended: When it was over.
        token: Of a request that must not make a second run.
        only: Keys of the tasks that run; empty for all.
        parent: Attempt of the task that runs this job.
        repairs: How often it was repaired.
        stopping: What it comes to because it was told to end.
        warned: When it was told that it takes too long, in milliseconds since 1970.
        used_commit: Of its repository, once that is checked out.
        checkout: Name of the folder in which that lies.
    """

    run_id: int
    job_id: int
    type: str
    name: str
    settings: Mapping[str, JsonValue]
    root: str
    parameters: Mapping[str, str]
    legacy: Mapping[str, JsonValue]
    trigger: str
    trigger_info: Mapping[str, JsonValue]
    state: str
    created: int
    result: Result | None = None
    code: str = ""
    message: str = ""
    started: int | None = None
    ended: int | None = None
    token: str | None = None
    only: tuple[str, ...] = ()
    parent: int | None = None
    repairs: int = 0
    stopping: Result | None = None
    warned: int | None = None
    used_commit: str = ""
    checkout: str = ""


NOT_ENDED: Mapping[str, Any] = {
    "state": "QUEUED",
    "result": None,
    "code": "",
    "message": "",
    "ended": None,
    "stopping": None,
    "warned": None,
    "used_commit": "",
    "checkout": "",
}
"""What a run is again that goes on after its end."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt of a task, or of an iteration of one.

    Args:
        attempt: Its id.
        run_id: The run.
        task_key: The task.
        iteration: Number of the iteration; None for a task as a whole.
        number: Attempts of the same before it, in the same repair.
        repair: Number of the repair; 0 for the run as it was.
        state: `BLOCKED`, `WAITING_FOR_RETRY`, `PENDING`, `RUNNING`, `TERMINATING` or `TERMINATED`.
        created: When it was entered, in milliseconds since 1970.
        reason: Why it runs, or why it does not, in one sentence.
        epoch: Goes up each time it is handed out.
        result: What it came to.
        code: Databricks' termination code.
        message: What went wrong.
        trace: The traceback.
        outcome: `true` or `false` of a condition.
        settings: What it does, with all references resolved.
        output: What it gave.
        values: Task values that it set.
        started: When its process began.
        ended: When it was over.
        pid: Its process.
        pid_started: When that began; ids of processes come again.
        exit_code: Of its process.
        cpu_seconds: Processor time.
        peak_memory: Bytes.
        counts: Whether its failure counts against `max_retries`.
        stopping: What it comes to because it was told to end.
        inputs: Of a for-each: what it goes through.
        parent: Of an iteration: the attempt of its for-each.
        due: When a retry may begin.
        warned: When it was told that it takes too long, in milliseconds since 1970.
    """

    attempt: int
    run_id: int
    task_key: str
    iteration: int | None
    number: int
    repair: int
    state: str
    created: int
    reason: str = ""
    epoch: int = 1
    result: Result | None = None
    code: str = ""
    message: str = ""
    trace: str = ""
    outcome: str | None = None
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    output: Mapping[str, JsonValue] = field(default_factory=dict)
    values: Mapping[str, JsonValue] = field(default_factory=dict)
    started: int | None = None
    ended: int | None = None
    pid: int | None = None
    pid_started: float | None = None
    exit_code: int | None = None
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    counts: bool = True
    stopping: Result | None = None
    inputs: tuple[JsonValue, ...] | None = None
    parent: int | None = None
    due: int | None = None
    warned: int | None = None


@dataclass(frozen=True, slots=True)
class RepairRow:
    """A repair of a run.

    Args:
        repair_id: Its id.
        run_id: The run.
        number: 1 for the first.
        tasks: Keys of the tasks that were to run again.
        started: When, in milliseconds since 1970.
        ended: When the run was over again.
        result: What the run came to then.
    """

    repair_id: int
    run_id: int
    number: int
    tasks: tuple[str, ...]
    started: int
    ended: int | None = None
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """What is kept of a trigger between two looks at it.

    Args:
        trigger_id: Id of the job and the trigger's rule, such as `7/file_arrival /landing`.
        job_id: The job.
        state: What the last decision left for the next one.
        wait_until: When to look again, in milliseconds since 1970.
        reason: What it waits for, in one sentence.
    """

    trigger_id: str
    job_id: int
    state: Mapping[str, JsonValue]
    wait_until: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TickRow:
    """A moment for which it was decided whether a run begins.

    Args:
        trigger_id: Of the trigger.
        job_id: The job.
        fire_time: When it was due, in milliseconds since 1970; there is one for each trigger.
        outcome: `FIRED`, `MISSED`, `PAUSED`, `UNMET` or `FAILED`.
        reason: Why, in one sentence.
        count: Ticks that it stands for.
        details: What fired.
        decided: When, in milliseconds since 1970.
        run_id: The run that it began.
        tick_id: Its place among all ticks; set when it is written.
    """

    trigger_id: str
    job_id: int
    fire_time: int
    outcome: str
    reason: str
    count: int
    details: Mapping[str, JsonValue]
    decided: int
    run_id: int | None = None
    tick_id: int = 0


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened to a job, a run or a task.

    Args:
        at: When, in milliseconds since 1970.
        type: Such as `run.started` or `task.ended`.
        message: One sentence for people.
        job_id: The job.
        run_id: The run.
        attempt: The attempt.
        task_key: The task.
        iteration: Number of the iteration.
        details: More of it.
        sequence: Its place among all events; set when it is written.
    """

    at: int
    type: str
    message: str
    job_id: int | None = None
    run_id: int | None = None
    attempt: int | None = None
    task_key: str | None = None
    iteration: int | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """Something that somebody is to be told, and how far that has got.

    Args:
        notice_id: The same in every try, so that whoever gets it twice can tell.
        event: Such as `on_failure`.
        kind: `email` or `webhook`.
        recipient: An address, the id of a destination, or a URL; it may hold a secret.
        body: What is said.
        created: When it came up, in milliseconds since 1970.
        due: When it is tried next.
        run_id: The run.
        job_id: The job.
        attempt: The attempt, if it is about a task.
        task_key: The task.
        iteration: Number of the iteration.
        state: `WAITING`, `DELIVERED` or `FAILED`.
        tries: How often it was tried in vain.
        failure: Why the last try failed, in one sentence.
        sequence: Its place among all notices; set when it is written.
    """

    notice_id: str
    event: str
    kind: str
    recipient: str
    body: Mapping[str, JsonValue]
    created: int
    due: int
    run_id: int
    job_id: int
    attempt: int | None = None
    task_key: str | None = None
    iteration: int | None = None
    state: str = "WAITING"
    tries: int = 0
    failure: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class DestinationRow:
    """Where webhooks go that jobs know by an id.

    Args:
        destination_id: The id.
        name: For people.
        kind: `WEBHOOK` or `SLACK`.
        url: Where it is; often a secret in itself.
        username: For the destination, if it asks for one.
        password: For the destination.
        created: When, in milliseconds since 1970.
    """

    destination_id: str
    name: str
    kind: str
    url: str
    username: str
    password: str
    created: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """Something that clients have saved, of which jobs know nothing.

    Args:
        key: Its kind, a slash, and its name within that.
        kind: Such as `pipelines` or `queries`.
        value: What was saved.
        changed: When, in milliseconds since 1970.
    """

    key: str
    kind: str
    value: Mapping[str, JsonValue]
    changed: int
