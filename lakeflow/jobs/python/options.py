"""The options of jobs and tasks in Python, for type checkers; `fields.py` says what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

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
    description: str
    timeout_seconds: int
    email_notifications: EmailNotifications
    webhook_notifications: WebhookNotifications
    notification_settings: NotificationSettings
    health: Health


class TaskOptions(_Options, total=False):
    """Options of `task`."""

    run_if: RunIf | RunIfName
    disabled: bool
    max_retries: int
    min_retry_interval_millis: int
    retry_on_timeout: bool
    job_cluster_key: str
    existing_cluster_id: str
    new_cluster: Settings
    environment_key: str
    environment_variables_key: str
    libraries: list[Settings]
    disable_auto_optimization: bool


class JobOptions(_Options, total=False):
    """Options of `job`."""

    tags: Mapping[str, str]
    max_concurrent_runs: int
    queue: Settings
    job_clusters: list[Settings]
    environments: list[Settings]
    environment_variables: list[Settings]
    git_source: Settings
    run_as: Settings
    performance_target: Literal["PERFORMANCE_OPTIMIZED", "STANDARD"]
    budget_policy_id: str
    usage_policy_id: str
    parent_path: str
