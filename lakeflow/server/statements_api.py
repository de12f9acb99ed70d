"""The calls of the SQL Statement Execution API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import DefinitionError
from lakeflow.core.schema import Schema
from lakeflow.server.answers import Refused, Reply, invalid, missing
from lakeflow.server.compute import NAME
from lakeflow.server.results import CHUNK_BYTES, MEDIA, Limits
from lakeflow.server.routes import Request, Routes
from lakeflow.server.statements import Asked, Statement, content_of, rows_of

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
_MOST_SQL = 16 * 2**20
_ID = "sql/statements/{statement_id}"


@ROUTES.add(
    "POST",
    "sql/statements",
    """
    statement*       text    A query in Spark SQL; :name stands for a parameter.
    warehouse_id*    text    There is one, local.
    catalog          text    Of tables that do not say one.
    schema           text    Of tables that do not say one.
    parameters       list    name, value and type of each; STRING if no type is said.
    row_limit        number  Rows of the result.
    byte_limit       number  Bytes of the result.
    disposition      text    INLINE or EXTERNAL_LINKS.
    format           text    JSON_ARRAY; ARROW_STREAM and CSV with EXTERNAL_LINKS.
    wait_timeout     text    0s, or 5s to 50s; 10s if left out.
    on_wait_timeout  text    CONTINUE or CANCEL.
    query_tags       list    Kept.
    """,
    most_bytes=_MOST_SQL,
)
def execute(api: Api, request: Request) -> Any:
    """Runs a statement, and waits for it for a while."""
    if request["warehouse_id"] != NAME:
        raise missing(f"Warehouse {request['warehouse_id']} was not found. There is one, {NAME}.")
    seconds = _seconds(str(request.get("wait_timeout") or "10s"))
    after = request.get("on_wait_timeout") or "CONTINUE"
    if after not in ("CONTINUE", "CANCEL"):
        raise invalid(f"on_wait_timeout is CONTINUE or CANCEL, not {after!r}.")
    statement = api.statements.begin(_asked(request))
    if seconds and not statement.done.wait(seconds) and after == "CANCEL":
        api.statements.cancel(statement)
        statement.done.wait(seconds)
    return _response(api, request, statement)


@ROUTES.add("GET", _ID)
def get(api: Api, request: Request) -> Any:
    """Where a statement stands, and the first part of its result."""
    return _response(api, request, api.statements.find(request["statement_id"]))


@ROUTES.add(
    "GET", f"{_ID}/result/chunks/{{chunk_index}}", "chunk_index number Of the part.", open=True
)
def get_chunk(api: Api, request: Request) -> Any:
    """A part of a result."""
    statement = api.statements.find(request["statement_id"])
    if statement.state != "SUCCEEDED":
        raise Refused(
            400, "INVALID_STATE", f"Statement {statement.id} is {statement.state}, not SUCCEEDED."
        )
    if not 0 <= request["chunk_index"] < len(statement.chunks):
        raise missing(f"Statement {statement.id} has no chunk {request['chunk_index']}.")
    return _result(api, request, statement, request["chunk_index"])


@ROUTES.add("POST", f"{_ID}/cancel")
def cancel(api: Api, request: Request) -> Any:
    """Has a statement end."""
    api.statements.cancel(api.statements.find(request["statement_id"]))
    return {}


@ROUTES.add(
    "GET",
    "/api/lakeflow/results/{statement_id}/{chunk_index}",
    """
    chunk_index  number  Of the part.
    expires*     number  Until when the address holds.
    signature*   secret  Says that the address was given by this server.
    """,
)
def download(api: Api, request: Request) -> Any:
    """A part of a result, for whoever has its address."""
    name, number = request["statement_id"], request["chunk_index"]
    if not api.statements.linked(name, number, request["expires"], request["signature"]):
        raise Refused(403, "PERMISSION_DENIED", "The address holds no more, or never did.")
    statement = api.statements.find(name)
    return Reply(body=content_of(statement.chunks[number]), type=MEDIA[statement.asked.form])


def _asked(request: Request) -> Asked:
    disposition = request.get("disposition") or "INLINE"
    form = request.get("format") or "JSON_ARRAY"
    if disposition not in ("INLINE", "EXTERNAL_LINKS"):
        raise invalid(f"disposition is INLINE or EXTERNAL_LINKS, not {disposition!r}.")
    if form not in MEDIA:
        raise invalid(f"format is one of {', '.join(MEDIA)}, not {form!r}.")
    if disposition == "INLINE" and form != "JSON_ARRAY":
        raise invalid(f"The format {form} needs the disposition EXTERNAL_LINKS.")
    for name in ("row_limit", "byte_limit"):
        if request.get(name) is not None and request[name] < 1:
            raise invalid(f"{name} is at least 1, not {request[name]}.")
    values, types = _parameters(request.get("parameters") or [])
    inline = disposition == "INLINE"
    limits = Limits(
        request.get("row_limit"),
        request.get("byte_limit"),
        CHUNK_BYTES // 4 if inline else CHUNK_BYTES,
    )
    return Asked(
        request["statement"],
        values,
        types,
        request.get("catalog"),
        request.get("schema"),
        form,
        inline,
        limits,
    )


def _parameters(given: list[Any]) -> tuple[dict[str, str | None], dict[str, str]]:
    values: dict[str, str | None] = {}
    types: dict[str, str] = {}
    for number, each in enumerate(given):
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            raise invalid(f"parameters[{number}] has no name.")
        name, value, kind = each["name"], each.get("value"), each.get("type") or "STRING"
        if name in values:
            raise invalid(f"Two parameters are named {name!r}.")
        if value is not None and not isinstance(value, str):
            raise invalid(f"parameters[{number}].value is a text, not {value!r}.")
        values[name] = value
        if str(kind).upper() != "STRING":
            types[name] = _type(number, kind)
    return values, types


def _type(number: int, kind: Any) -> str:
    """A type that may stand in a statement: read and written again, it can be nothing else."""
    try:
        (found,) = Schema.from_ddl(f"value {kind}")
    except (DefinitionError, ValueError):
        raise invalid(f"parameters[{number}].type is a type of SQL, not {kind!r}.") from None
    return str(found.type)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,3})s", text)
    found = int(match[1]) if match else -1
    if found != 0 and not 5 <= found <= 50:
        raise invalid(f"wait_timeout is 0s, or 5s to 50s, not {text!r}.")
    return found


def _response(api: Api, request: Request, statement: Statement) -> dict[str, Any]:
    found: dict[str, Any] = {"statement_id": statement.id, "status": statement.status()}
    if statement.state == "SUCCEEDED":
        found["manifest"] = statement.manifest()
        found["result"] = _result(api, request, statement, 0)
    return found


def _result(api: Api, request: Request, statement: Statement, number: int) -> dict[str, Any]:
    chunk = statement.chunks[number]
    found: dict[str, Any] = {
        "chunk_index": number,
        "row_offset": chunk.offset,
        "row_count": chunk.rows,
    }
    if number + 1 < len(statement.chunks):
        following = statement.chunks[number + 1]
        path = f"/api/2.0/sql/statements/{statement.id}/result/chunks/{number + 1}"
        found["next_chunk_index"] = number + 1
        found["next_chunk_internal_link"] = f"{path}?row_offset={following.offset}"
    if statement.asked.inline:
        return found | {"data_array": rows_of(chunk)}
    path, expires = api.statements.link(statement, number)
    until = datetime.fromtimestamp(expires / 1000, UTC).isoformat().replace("+00:00", "Z")
    link = {
        "external_link": f"{request.origin}{path}",
        "expiration": until,
        "byte_count": chunk.bytes,
    }
    return {"external_links": [found | link]}
