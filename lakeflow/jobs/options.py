"""What may be said of a job or a task in Python beside its name: the words of the Jobs API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

from lakeflow.jobs.model import RunIf

RunIfName = Literal[
    "ALL_SUCCESS",
    "AT_LEAST_ONE_SUCCESS",
    "NONE_FAILED",
    "ALL_DONE",
    "AT_LEAST_ONE_FAILED",
    "ALL_FAILED",
]


class EmailNotifications(TypedDict, total=False):
    """Addresses by event."""

    on_start: list[str]
    on_success: list[str]
    on_failure: list[str]
    on_duration_warning_threshold_exceeded: list[str]
    on_streaming_backlog_exceeded: list[str]
    no_alert_for_skipped_runs: bool


class Webhook(TypedDict):
    """A notification destination."""

    id: str


class WebhookNotifications(TypedDict, total=False):
    """Destinations by event, at most three for each."""

    on_start: list[Webhook]
    on_success: list[Webhook]
    on_failure: list[Webhook]
    on_duration_warning_threshold_exceeded: list[Webhook]
    on_streaming_backlog_exceeded: list[Webhook]


class NotificationSettings(TypedDict, total=False):
    """What nobody is told of."""

    no_alert_for_skipped_runs: bool
    no_alert_for_canceled_runs: bool
    alert_on_last_attempt: bool


class HealthRule(TypedDict):
    """A number that should not be exceeded."""

    metric: Literal[
        "RUN_DURATION_SECONDS",
        "STREAMING_BACKLOG_BYTES",
        "STREAMING_BACKLOG_RECORDS",
        "STREAMING_BACKLOG_SECONDS",
        "STREAMING_BACKLOG_FILES",
    ]
    op: Literal["GREATER_THAN"]
    value: int


class Health(TypedDict):
    """Rules that warn and stop nothing."""

    rules: list[HealthRule]


Settings = Mapping[str, Any]


class _Options(TypedDict, total=False):
    description: Annotated[str, "What it is for."]
    timeout_seconds: Annotated[int, "After which it is stopped; 0 for never."]
    email_notifications: Annotated[EmailNotifications, "Addresses to write to, by event."]
    webhook_notifications: Annotated[WebhookNotifications, "Destinations to call, by event."]
    notification_settings: Annotated[NotificationSettings, "What nobody is told of."]
    health: Annotated[Health, "Rules that warn, such as one on `RUN_DURATION_SECONDS`."]


class TaskOptions(_Options, total=False):
    """Options of `task`."""

    run_if: Annotated[RunIf | RunIfName, "What the tasks before it must have come to."]
    disabled: Annotated[bool, "Whether it is passed over."]
    max_retries: Annotated[int, "Further attempts after a failure; -1 for as many as it takes."]
    min_retry_interval_millis: Annotated[int, "Between the starts of two attempts."]
    retry_on_timeout: Annotated[bool, "Whether an attempt that took too long is made again."]
    job_cluster_key: Annotated[str, "Tasks that name the same one share a process."]
    existing_cluster_id: Annotated[str, "A process that outlives the run."]
    new_cluster: Annotated[Settings, "A process for this task alone."]
    environment_key: Annotated[str, "Which of the job's environments it runs in."]
    environment_variables_key: Annotated[str, "Which of the job's sets of variables it sees."]
    libraries: Annotated[list[Settings], "What has to be installed for it."]
    disable_auto_optimization: Annotated[bool, "Kept for Databricks."]


class JobOptions(_Options, total=False):
    """Options of `job`."""

    tags: Annotated[Mapping[str, str], "Names and values by which people find it."]
    max_concurrent_runs: Annotated[int, "Runs that may be active at the same time; 1 if not said."]
    queue: Annotated[Settings, '`{"enabled": False}` skips runs above that, else they wait.']
    job_clusters: Annotated[list[Settings], "Processes that tasks share by `job_cluster_key`."]
    environments: Annotated[list[Settings], "Packages that tasks need, by `environment_key`."]
    environment_variables: Annotated[list[Settings], "Variables that tasks see, by key."]
    git_source: Annotated[Settings, "A repository from which the files of tasks are taken."]
    run_as: Annotated[Settings, "In whose name it runs."]
    performance_target: Annotated[
        Literal["PERFORMANCE_OPTIMIZED", "STANDARD"], "Whether processes are kept warm for it."
    ]
    budget_policy_id: Annotated[str, "Kept for Databricks."]
    usage_policy_id: Annotated[str, "Kept for Databricks."]
    parent_path: Annotated[str, "Kept for Databricks."]


def meanings(options: type[TaskOptions | JobOptions]) -> Iterator[tuple[str, str]]:
    """Every option with what it means."""
    for name, hint in get_type_hints(options, include_extras=True).items():
        yield name, hint.__metadata__[0]
