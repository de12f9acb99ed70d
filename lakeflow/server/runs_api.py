"""The calls on runs of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.jobs import control
from lakeflow.jobs.rows import AttemptRow, DocumentRow, RunRow
from lakeflow.jobs.settings.parameters import LEGACY
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server import paging
from lakeflow.server.answers import invalid, missing
from lakeflow.server.jobs_api import VERSIONS, accepted, find, token
from lakeflow.server.notebook_page import views_of
from lakeflow.server.outputs import output_of
from lakeflow.server.routes import Request, Routes
from lakeflow.server.run_view import RunView

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes(VERSIONS)

_LEGACY = """
    notebook_params      object  Older than job_parameters.
    jar_params           list    Older than job_parameters.
    python_params        list    Older than job_parameters.
    python_named_params  object  Older than job_parameters.
    sql_params           object  Older than job_parameters.
    dbt_commands         list    Older than job_parameters.
    spark_submit_params  list    Older than job_parameters.
    pipeline_params      object  What the pipeline tasks refresh in full.
"""


@ROUTES.add(
    "POST",
    "jobs/run-now",
    f"""
    job_id*             number  The job.
    job_parameters      object  Values of its parameters.
    only                texts   Keys of the tasks that run; with + those before or after them, too.
    idempotency_token   text    A second request with the same one gets the same run.
    queue               object  Whether this run waits if there is no room.
    performance_target  text    Of this run.
    {_LEGACY.strip()}
    """,
)
def run_now(api: Api, request: Request) -> Any:
    """Begins a run of a job."""
    overrides = {
        name: request[name]
        for name in ("queue", "performance_target")
        if request.get(name) is not None
    }

    def begin(turn: Turn) -> int:
        _refuse_used(turn, token(request))
        find(turn.store, request["job_id"])
        return control.run_now(
            api.server.scheduler,
            turn,
            request["job_id"],
            request=request.values,
            only=request.get("only") or (),
            token=token(request),
            overrides=overrides,
        )

    run_id = api.server.ask(begin)
    return {"run_id": run_id, "number_in_job": run_id}


@ROUTES.add(
    "POST",
    "jobs/runs/submit",
    """
    run_name           text  Its name.
    tasks              list  What is done.
    idempotency_token  text  A second request with the same one gets the same run.
    """,
    open=True,
)
def submit(api: Api, request: Request) -> Any:
    """Begins a run of tasks that are no saved job."""
    mine = ("run_name", "idempotency_token")
    settings = {name: value for name, value in request.values.items() if name not in mine}
    settings = accepted(request, {"name": request.get("run_name") or "Untitled", **settings})
    if not settings.get("tasks"):
        raise invalid("A run has at least one task.", "Give it tasks.")

    def begin(turn: Turn) -> int:
        _refuse_used(turn, token(request))
        return control.submit(
            api.server.scheduler,
            turn,
            settings,
            root=str(api.home.workspace),
            creator=api.user,
            token=token(request),
        )

    return {"run_id": api.server.ask(begin)}


@ROUTES.add(
    "GET",
    "jobs/runs/get",
    """
    run_id*                  number  The run, or one task of a run.
    include_history          flag    Whether repairs and earlier attempts are shown.
    include_resolved_values  flag    Whether the values of references are shown.
    page_token               text    Where the next elements of its long arrays begin.
    """,
)
def get(api: Api, request: Request) -> Any:
    """A run of a job, or of one of its tasks."""
    page = paging.page_of(request)
    resolved = bool(request.get("include_resolved_values"))

    def read(reader: Reader) -> Any:
        row, attempt = _run_or_task(reader, request["run_id"])
        view = RunView.of(reader, row, request.origin, api.user, resolved=resolved)
        if attempt is None:
            return view.whole(page, history=bool(request.get("include_history")))
        iterations = reader.select(
            AttemptRow,
            "run_id = ? AND (parent = ? OR parent = ? AND iteration = ?) ORDER BY attempt",
            (row.run_id, attempt.attempt, attempt.parent, attempt.iteration),
        )
        return view.one_task(attempt, iterations, page)

    return api.read(read)


@ROUTES.add(
    "GET",
    "jobs/runs/list",
    """
    job_id           number  Only runs of this job.
    active_only      flag    Only those that have not ended.
    completed_only   flag    Only those that have.
    run_type         text    JOB_RUN, SUBMIT_RUN or WORKFLOW_RUN.
    start_time_from  number  Only those that began then or later, in milliseconds since 1970.
    start_time_to    number  Only those that began then or earlier.
    expand_tasks     flag    Whether their tasks are shown.
    limit            number  Runs in one answer, at most 25; 20 if left out.
    page_token       text    From the answer before.
    offset           number  Runs that are passed over; older than page_token.
    """,
)
def list_runs(api: Api, request: Request) -> Any:
    """Runs, the newest first."""
    limit = request.limit(20, 25)
    start = paging.read(request.get("page_token"), "start", max(request.get("offset", 0), 0))
    where, values = _wanted(request)
    page = 0 if request.version >= "2.2" else None

    # Ids go up with time.
    end, more_values = paging.window(request.get("page_token"), start, "run_id", limit)

    def read(reader: Reader) -> tuple[list[Any], int | None]:
        rows = reader.select(RunRow, f"{where} {end}", [*values, *more_values])
        whole = bool(request.get("expand_tasks"))
        views = [
            RunView.of(reader, row, request.origin, api.user, briefly=not whole)
            for row in rows[:limit]
        ]
        shown = [view.whole(page) if whole else view.brief() for view in views]
        return shown, rows[limit - 1].run_id if len(rows) > limit else None

    shown, last = api.read(read)
    for each in shown:
        each.pop("next_page_token", None)
    return {"runs": shown, "has_more": last is not None, **paging.around(start, limit, last)}


@ROUTES.add("GET", "jobs/runs/get-output", "run_id* number One task of a run.")
def get_output(api: Api, request: Request) -> Any:
    """What one task has given, and the end of what it has printed."""
    view, attempt = api.read(lambda reader: _one_task(api, request, reader))
    return output_of(api.home, view, attempt)


@ROUTES.add(
    "GET",
    "jobs/runs/export",
    """
    run_id*          number  One task of a run.
    views_to_export  text    CODE, DASHBOARDS or ALL; there are no dashboards.
    """,
)
def export(api: Api, request: Request) -> Any:
    """The notebooks that one task has run, as pages."""
    view, attempt = api.read(lambda reader: _one_task(api, request, reader))
    if request.get("views_to_export") == "DASHBOARDS":
        return {"views": []}
    return {"views": views_of(api.home.attempt(view.row.run_id, attempt.attempt))}


@ROUTES.add("POST", "jobs/runs/cancel", "run_id* number The run, or one task of a run.")
def cancel(api: Api, request: Request) -> Any:
    """Has a run end; it is over some time after the answer."""
    scheduler = api.server.scheduler
    api.server.ask(lambda turn: control.cancel(scheduler, turn, request["run_id"]))
    return {}


@ROUTES.add(
    "POST",
    "jobs/runs/cancel-all",
    """
    job_id           number  Only runs of this job.
    all_queued_runs  flag    All that wait; of all jobs if none is named.
    """,
)
def cancel_all(api: Api, request: Request) -> Any:
    """Has all runs of a job end."""
    queued = request.get("all_queued_runs")
    if request.get("job_id") is None and not queued:
        raise invalid("job_id is missing.", "Name a job, or give all_queued_runs.")

    def cancel(turn: Turn) -> None:
        where, values = "state != 'TERMINATED'", []
        if request.get("job_id") is not None:
            find(turn.store, request["job_id"])
            where, values = f"{where} AND job_id = ?", [request["job_id"]]
        if queued:
            where = f"{where} AND state = 'QUEUED'"
        for row in turn.store.select(RunRow, f"{where} ORDER BY run_id DESC", values):
            control.cancel(api.server.scheduler, turn, row.run_id)

    api.server.ask(cancel)
    return {}


@ROUTES.add(
    "POST",
    "jobs/runs/repair",
    f"""
    run_id*                 number  The run, which is over.
    rerun_tasks             texts   Keys of the tasks that run again.
    rerun_all_failed_tasks  flag    All that failed instead.
    rerun_dependent_tasks   flag    All that depend on those as well.
    latest_repair_id        number  Id of the latest repair; needed from the second on.
    job_parameters          object  Other values of parameters.
    performance_target      text    Of the repair.
    {_LEGACY.strip()}
    """,
)
def repair(api: Api, request: Request) -> Any:
    """Runs tasks of a run again that is over."""
    tasks = request.get("rerun_tasks") or ()
    if tasks and request.get("rerun_all_failed_tasks"):
        raise invalid("rerun_tasks and rerun_all_failed_tasks cannot be given together.")
    found = api.server.ask(
        lambda turn: control.repair(
            api.server.scheduler,
            turn,
            request["run_id"],
            tasks=tasks,
            all_failed=bool(request.get("rerun_all_failed_tasks")),
            with_dependents=bool(request.get("rerun_dependent_tasks")),
            request=_again(request),
            latest=request.get("latest_repair_id"),
        )
    )
    return {"repair_id": found}


@ROUTES.add("POST", "jobs/runs/delete", "run_id* number The run, which is over.")
def delete(api: Api, request: Request) -> Any:
    """Forgets a run."""

    def delete(turn: Turn) -> None:
        row = turn.store.find(RunRow, request["run_id"])
        if row is not None and row.token is not None:
            from lakeflow.server.api import put

            put(turn, "used_tokens", row.token, {"run_id": row.run_id})
        control.delete_run(turn, request["run_id"])

    api.server.ask(delete)
    return {}


def _wanted(request: Request) -> tuple[str, list[Any]]:
    """The condition of a list of runs, and its values."""
    if request.get("active_only") and request.get("completed_only"):
        raise invalid("active_only and completed_only cannot both be true.")
    parts: list[str] = []
    values: list[Any] = []
    for name, condition in (
        ("job_id", "job_id = ?"),
        ("run_type", "type = ?"),
        ("start_time_from", "created >= ?"),
        ("start_time_to", "created <= ?"),
    ):
        if request.get(name) is not None:
            parts.append(condition)
            values.append(request[name])
    if request.get("active_only"):
        parts.append("state != 'TERMINATED'")
    if request.get("completed_only"):
        parts.append("state = 'TERMINATED'")
    return " AND ".join(parts) or "1", values


def _run_or_task(reader: Reader, number: int) -> tuple[RunRow, AttemptRow | None]:
    attempt = None
    row = reader.find(RunRow, number)
    if row is None and (attempt := reader.find(AttemptRow, number)) is not None:
        row = reader.find(RunRow, attempt.run_id)
    if row is None:
        raise missing(f"Run {number} does not exist.")
    return row, attempt


def _one_task(api: Api, request: Request, reader: Reader) -> tuple[RunView, AttemptRow]:
    """The task that is meant: by its own id, or by that of a run that has no other."""
    row, attempt = _run_or_task(reader, request["run_id"])
    view = RunView.of(reader, row, request.origin, api.user)
    if attempt is None:
        tasks = list(view.newest().values())
        if len(tasks) != 1:
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported.",
                "Ask for the run_id of one of its tasks.",
            )
        (attempt,) = tasks
    return view, attempt


def _refuse_used(turn: Turn, found: str | None) -> None:
    if found is not None and turn.store.find(DocumentRow, f"used_tokens/{found}") is not None:
        raise invalid(
            f"idempotency_token {found!r} is that of a run that was deleted.",
            "Choose another one.",
        )


def _again(request: Request) -> dict[str, Any]:
    """What a repair says of parameters."""
    said = ("job_parameters", *LEGACY)
    return {name: request[name] for name in said if name in request.values}
