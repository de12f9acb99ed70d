"""The calls on jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.jobs import control
from lakeflow.jobs.rows import JobRow
from lakeflow.jobs.settings.fields import OBJECTS
from lakeflow.jobs.settings.reading import read_job
from lakeflow.jobs.store import Reader
from lakeflow.jobs.turn import Turn
from lakeflow.server import paging
from lakeflow.server.answers import invalid, missing
from lakeflow.server.job_view import job_json, merged, reshaped
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

VERSIONS = ("2.0", "2.1", "2.2")
ROUTES = Routes(VERSIONS)
MOST_TOKEN = 64
_SETTINGS = "\n".join(
    f"{field.name} any {field.meaning}" for field in OBJECTS["job"] if field.name != "name"
)


@ROUTES.add("POST", "jobs/create", f"name text The job's name.\n{_SETTINGS}", open=True)
def create(api: Api, request: Request) -> Any:
    """Saves a job."""
    settings = accepted(request, request.values)
    job_id = api.server.ask(
        lambda turn: control.create_job(
            turn, settings, root=str(api.home.workspace), creator=api.user
        )
    )
    from lakeflow.server.permissions import grant

    grant(api, "jobs", str(job_id), request.get("access_control_list"))
    return {"job_id": job_id}


@ROUTES.add(
    "POST",
    "jobs/reset",
    """
    job_id*        number  The job.
    new_settings*  object  All its settings.
    """,
)
def reset(api: Api, request: Request) -> Any:
    """Gives a job other settings."""
    settings = accepted(request, request["new_settings"])
    api.server.ask(lambda turn: _change(api, turn, request["job_id"], settings))
    return {}


@ROUTES.add(
    "POST",
    "jobs/update",
    """
    job_id*           number  The job.
    new_settings      object  Fields that are others.
    fields_to_remove  texts   Fields that go; elements of arrays as tasks/KEY.
    """,
)
def update(api: Api, request: Request) -> Any:
    """Changes some settings of a job."""

    def change(turn: Turn) -> None:
        before = find(turn.store, request["job_id"]).settings
        removed = request.get("fields_to_remove") or []
        new = reshaped(request.get("new_settings") or {})
        _change(api, turn, request["job_id"], accepted(request, merged(before, new, removed)))

    api.server.ask(change)
    return {}


@ROUTES.add("POST", "jobs/delete", "job_id* number The job.")
def delete(api: Api, request: Request) -> Any:
    """Removes a job; its history stays."""
    scheduler = api.server.scheduler
    api.server.ask(lambda turn: control.delete_job(scheduler, turn, request["job_id"]))
    return {}


@ROUTES.add(
    "GET",
    "jobs/get",
    """
    job_id*                number  The job.
    page_token             text    Where the next elements of its long arrays begin.
    include_trigger_state  flag    Whether its triggers are shown.
    """,
)
def get(api: Api, request: Request) -> Any:
    """A job."""
    page = paging.page_of(request)
    found = job_json(api.read(lambda reader: find(reader, request["job_id"])), page)
    if request.get("include_trigger_state") and "file_arrival" in _trigger(found):
        found["trigger_state"] = {"file_arrival": {"using_file_events": False}}
    return found


@ROUTES.add(
    "GET",
    "jobs/list",
    """
    limit         number  Jobs in one answer, at most 100; 20 if left out.
    page_token    text    From the answer before.
    offset        number  Jobs that are passed over; older than page_token.
    name          text    Only jobs of this name, in any case.
    expand_tasks  flag    Whether their tasks are shown.
    """,
)
def list_jobs(api: Api, request: Request) -> Any:
    """Jobs, the newest first."""
    limit = request.limit(20, 100)
    start = paging.read(request.get("page_token"), "start", max(request.get("offset", 0), 0))
    name = request.get("name")
    wanted = "1"
    values: list[Any] = []
    if name:
        wanted, values = "lower(json_extract(settings, '$.name')) = lower(?)", [name]
    end, more_values = paging.window(request.get("page_token"), start, "job_id", limit)
    rows = api.read(
        lambda reader: reader.select(JobRow, f"{wanted} {end}", [*values, *more_values])
    )
    page = 0 if request.version >= "2.2" else None
    brief = not request.get("expand_tasks")
    shown = [job_json(row, page, brief=brief) for row in rows[:limit]]
    for each in shown:
        each.pop("next_page_token", None)
    last = rows[limit - 1].job_id if len(rows) > limit else None
    return {"jobs": shown, "has_more": last is not None, **paging.around(start, limit, last)}


def _trigger(job: Mapping[str, Any]) -> Mapping[str, Any]:
    return job["settings"].get("trigger") or {}


def find(reader: Reader, job_id: int) -> JobRow:
    """A job.

    Raises:
        Refused: There is none.
    """
    job = reader.find(JobRow, job_id)
    if job is None:
        raise missing(f"Job {job_id} does not exist.")
    return job


def accepted(request: Request, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request as they are kept; what nobody knows of them is told.

    Raises:
        ConfigurationError: They are not valid.
    """
    found = reshaped({k: v for k, v in settings.items() if k != "access_control_list"})
    request.warnings.extend(read_job(found).warnings)
    return found


def token(request: Request) -> str | None:
    """The token of a request that must not make a second run."""
    found: str | None = request.get("idempotency_token") or None
    if found is not None and len(found) > MOST_TOKEN:
        raise invalid(f"idempotency_token has at most {MOST_TOKEN} characters, not {len(found)}.")
    return found


def _change(api: Api, turn: Turn, job_id: int, settings: Mapping[str, Any]) -> None:
    find(turn.store, job_id)
    control.change_job(turn, job_id, settings)
    # It is the one setting that runs which have begun do not keep.
    api.server.scheduler.limit_time(turn, job_id, int(settings.get("timeout_seconds") or 0))
