"""Every field of a job's settings, and what becomes of it.

The names are those of Databricks' Jobs API 2.2; `ours` marks what Lakeflow adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["done", "recorded", "refused"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object in a job's settings.

    Args:
        name: As it is written.
        shape: `text`, `number`, `flag`, `texts`, `mapping` (of texts), `any`, the name of an
            object of this table, or such a name and `[]` for a list of them.
        status: `done`, `recorded` (kept and shown, changes nothing) or `refused` (when it runs).
        meaning: What it says.
        ours: Whether Databricks does not have it.
    """

    name: str
    shape: str
    status: Status
    meaning: str
    ours: bool = False


def _fields(text: str, status: Status = "done", *, ours: bool = False) -> tuple[Field, ...]:
    """Reads lines of `name shape meaning`."""
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple(Field(name, shape, status, meaning, ours) for name, shape, meaning in rows)


_NOTICES = _fields(
    """
    email_notifications    emails            Addresses that are told of starts and ends.
    webhook_notifications  webhooks          Destinations that are told of starts and ends.
    notification_settings  notice_settings   When nobody is told.
    health                 health            Rules that warn of long runs.
    """
)

_EMAILS = "on_start on_success on_failure on_duration_warning_threshold_exceeded".split()
_UNSEEN = "on_streaming_backlog_exceeded on_maintenance_start on_maintenance_complete".split()

TASK_TYPES: Mapping[str, tuple[Field, ...]] = {
    "pipeline_task": _fields(
        """
        pipeline_id             text     Id, key or path of the pipeline that is updated.
        full_refresh            flag     Computes all its tables anew.
        full_refresh_selection  texts    Computes these tables anew.
        parameters              mapping  Values of `${name}` in its SQL.
        """
    )
    + _fields(
        """
        refresh_selection           texts  Updates these tables only.
        refresh_flow_selection      texts  Updates these flows only.
        reset_checkpoint_selection  texts  Begins these flows at the start of their sources.
        """,
        "refused",
    )
    + _fields("validate_only flag Checks the definitions, and updates nothing.", ours=True),
    "sql_task": _fields(
        """
        query       sql_query  A saved query.
        file        sql_file   A file of statements.
        parameters  mapping    Values of `:name` in the statements.
        statement   text       The statements themselves.
        """
    )
    + _fields("warehouse_id text There is one warehouse, `local`.", "recorded")
    + _fields(
        """
        alert      any  Use alert_task.
        dashboard  any  There are no dashboards.
        """,
        "refused",
    ),
    "alert_task": _fields(
        """
        workspace_path  text     The file that holds the alert.
        parameters      mapping  Values of `:name` in its query.
        """
    )
    + _fields("alert_id text A saved alert.", "refused")
    + _fields(
        """
        warehouse_id  text  There is one warehouse, `local`.
        subscribers   any   Who is told.
        """,
        "recorded",
    ),
    "spark_python_task": _fields(
        """
        python_file  text   The script.
        parameters   texts  Its arguments.
        source       text   WORKSPACE or GIT.
        """
    ),
    "python_wheel_task": _fields(
        """
        package_name      text     The distribution.
        entry_point       text     Name of its entry point, or a function of the package.
        parameters        texts    Arguments by position.
        named_parameters  mapping  Arguments as --name=value.
        """
    ),
    "python_operator_task": _fields(
        """
        main        text        A function, as module.name or module:name.
        parameters  operands[]  Arguments by name.
        """
    ),
    "notebook_task": _fields(
        """
        notebook_path    text     A .py source notebook or an .ipynb.
        base_parameters  mapping  Values of its widgets.
        source           text     WORKSPACE or GIT.
        """
    )
    + _fields("warehouse_id text There is one warehouse, `local`.", "recorded"),
    "spark_jar_task": _fields(
        """
        main_class_name  text   The class whose main is called.
        parameters       texts  Its arguments.
        """
    )
    + _fields(
        """
        jar_uri          text  Older way to name the JAR; use libraries.
        run_as_repl      flag  Always as a program.
        """,
        "recorded",
    ),
    "dbt_task": _fields(
        """
        commands            texts  Each begins with dbt.
        project_directory   text   Folder of the project.
        profiles_directory  text   Folder of profiles.yml.
        schema              text   Schema that the profile writes to.
        catalog             text   Catalog that the profile writes to.
        source              text   WORKSPACE or GIT.
        warehouse_id        text   Makes a profile for DuckDB if profiles_directory is left out.
        """
    ),
    "run_job_task": _fields(
        """
        job_id          id       The job, by id or by its key in the same file.
        job_parameters  mapping  Values of its parameters.
        notebook_params      mapping  Legacy parameters.
        python_params        texts    Legacy parameters.
        python_named_params  mapping  Legacy parameters.
        jar_params           texts    Legacy parameters.
        sql_params           mapping  Legacy parameters.
        dbt_commands         texts    Legacy parameters.
        spark_submit_params  texts    Legacy parameters.
        pipeline_params      any      Legacy parameters.
        """
    ),
    "condition_task": _fields(
        """
        op     text     EQUAL_TO, NOT_EQUAL, GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, ...
        left   text     First operand.
        right  text     Second operand.
        """
    ),
    "for_each_task": _fields(
        """
        inputs       inputs  A JSON array, or a reference to one.
        concurrency  number  Iterations at the same time; 1 if left out.
        task         task    What is run for each.
        """
    ),
    "shell_task": _fields(
        """
        command     command  A line for the shell, or a list of words.
        parameters  texts    Its arguments.
        """,
        ours=True,
    ),
    "scala_task": _fields(
        """
        file        text   The script.
        parameters  texts  Its arguments.
        """,
        ours=True,
    ),
    "r_task": _fields(
        """
        file        text   The script.
        parameters  texts  Its arguments.
        """,
        ours=True,
    ),
}
"""The types of tasks that can run, with their fields."""

ELSEWHERE = (
    "power_bi_task spark_submit_task dbt_platform_task dbt_cloud_task clean_rooms_notebook_task "
    "gen_ai_compute_task ai_runtime_task ai_function_task dashboard_task"
).split()
"""Types of tasks that exist on Databricks only: kept, and refused when they run."""

OBJECTS: Mapping[str, tuple[Field, ...]] = {
    "job": _fields(
        """
        name                   text            For people; need not be unique.
        tasks                  task[]          What is done.
        parameters             parameter[]     Names and default values.
        max_concurrent_runs    number          Runs at the same time; 1 if left out.
        queue                  queue           Whether further runs wait.
        timeout_seconds        number          After which a run is stopped.
        schedule               any             A time table; see docs/triggers.md.
        trigger                any             A condition that starts runs; see docs/triggers.md.
        continuous             any             One run after the other; see docs/triggers.md.
        triggers               any             Several of these; see docs/triggers.md.
        job_clusters           job_cluster[]   Processes that tasks share.
        environments           environment[]   Packages that tasks need.
        environment_variables  variables[]     Variables of the tasks.
        git_source             git_source      Where the files of the tasks come from.
        tags                   mapping         Labels.
        performance_target     text            STANDARD starts processes when they are needed.
        """
    )
    + _NOTICES
    + _fields(
        """
        description          text  What it is for.
        run_as               any   There is one user.
        edit_mode            text  Shown.
        deployment           any   Shown.
        format               text  Always MULTI_TASK.
        parent_path          text  Shown.
        budget_policy_id     text  Shown.
        usage_policy_id      text  Shown.
        duration_target      text  Shown.
        access_control_list  any   There is one user.
        """,
        "recorded",
    ),
    "task": _fields(
        """
        task_key                   text          Unique in its job.
        depends_on                 dependency[]  Tasks before it.
        run_if                     text          What those must have come to.
        disabled                   flag          Passed over.
        max_retries                number        Further attempts after a failure; -1 for ever.
        min_retry_interval_millis  number        From the start of an attempt to that of the next.
        retry_on_timeout           flag          Whether what took too long is tried again.
        timeout_seconds            number        After which an attempt is stopped.
        job_cluster_key            text          The process that it shares with others.
        existing_cluster_id        text          The long-lived process that it shares.
        environment_key            text          Packages that it needs.
        environment_variables_key  text          Variables of its process.
        libraries                  any           Packages that it needs.
        """
    )
    + _NOTICES
    + _fields(
        """
        description                text  What it is for.
        new_cluster                any   A process of its own; its sizes change nothing.
        compute                    any   Shown.
        disable_auto_optimization  flag  Nothing is retried unless max_retries says so.
        """,
        "recorded",
    )
    + tuple(Field(name, name, "done", "See docs/tasks.md.") for name in TASK_TYPES)
    + tuple(Field(name, "any", "refused", "Exists on Databricks only.") for name in ELSEWHERE),
    "dependency": _fields(
        """
        task_key  text  The task before.
        outcome   text  true or false of a condition.
        """
    ),
    "parameter": _fields(
        """
        name     text    Of the parameter.
        default  scalar  Its value unless a run says another.
        """
    ),
    "queue": _fields("enabled flag Whether further runs wait; they do if it is left out."),
    "job_cluster": _fields("job_cluster_key text Its name.")
    + _fields(
        """
        new_cluster            any   Its sizes change nothing but memory_limit.
        serverless_compute_id  text  Shown.
        """,
        "recorded",
    ),
    "environment": _fields(
        """
        environment_key  text  Its name.
        spec             any   dependencies: what is installed.
        """
    ),
    "variables": _fields(
        """
        environment_variables_key  text            Its name.
        spec                       variables_spec  What a task gets that says this name.
        """
    ),
    "variables_spec": _fields("variables mapping Names and values."),
    "git_source": _fields(
        """
        git_url          text  A path, or an address that git can clone.
        git_branch       text  Its branch.
        git_tag          text  Its tag.
        git_commit       text  Its commit.
        sparse_checkout  any   patterns: the folders that are needed.
        """
    )
    + _fields(
        """
        git_provider  text  Shown.
        git_snapshot  any   Filled in by the run.
        job_source    any   Shown.
        """,
        "recorded",
    ),
    "sql_query": _fields("query_id text Its id."),
    "sql_file": _fields(
        """
        path    text  The file.
        source  text  WORKSPACE or GIT.
        """
    ),
    "operands": _fields(
        """
        name   text  Of the argument.
        value  text  Of the argument.
        """
    ),
    "emails": _fields("\n".join(f"{name} texts Addresses." for name in _EMAILS))
    + _fields("\n".join(f"{name} texts Addresses." for name in _UNSEEN), "recorded")
    + _fields("no_alert_for_skipped_runs flag Nobody is told of skipped runs."),
    "webhooks": _fields("\n".join(f"{name} any Destinations." for name in _EMAILS))
    + _fields("\n".join(f"{name} any Destinations." for name in _UNSEEN), "recorded"),
    "notice_settings": _fields(
        """
        no_alert_for_skipped_runs   flag  Nobody is told of skipped runs.
        no_alert_for_canceled_runs  flag  Nobody is told of cancelled runs.
        alert_on_last_attempt       flag  Only the last attempt of a task is told.
        """
    ),
    "health": _fields("rules any metric, op and value; RUN_DURATION_SECONDS is watched."),
    **TASK_TYPES,
}
"""The objects that settings are made of."""
