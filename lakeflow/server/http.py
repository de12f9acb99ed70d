"""HTTP: carries calls to the API and its answers back, and decides nothing."""

from __future__ import annotations

import codecs
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from lakeflow.core.errors import LakeflowError
from lakeflow.core.values import printable
from lakeflow.server.answers import Refused, Reply, failure, invalid
from lakeflow.server.changes import Changes, Tail, Watch, event_json
from lakeflow.server.identity import WORKSPACE
from lakeflow.server.security import Guard

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from lakeflow.server.api import Api

_LOG = logging.getLogger("lakeflow.access")
CALLS = 128
"""Calls that are worked on at the same time; some of them wait for statements."""

_ALWAYS = {
    "X-Databricks-Org-Id": WORKSPACE,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class Http:
    """The application that a web server runs.

    Args:
        api: Answers.
        guard: Says who may ask.
        changes: Tells of events.
    """

    def __init__(self, api: Api, guard: Guard, changes: Changes) -> None:
        self._api = api
        self._guard = guard
        self._changes = changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a call."""
        if scope["type"] != "http":
            return
        began = time.monotonic()
        request = HttpRequest(scope, receive)
        try:
            reply = await self._answer(request)
        except ClientDisconnect:
            return
        except LakeflowError as error:
            reply = failure(error)
        milliseconds = (time.monotonic() - began) * 1000
        path = printable(scope["path"])
        _LOG.info("%s %s %d %.1f ms", request.method, path, reply.status, milliseconds)
        if request.method == "HEAD":
            reply = Reply(reply.status, "", reply.type)  # a stream would have no end
        await self._response(reply)(scope, receive, send)

    async def _answer(self, request: HttpRequest) -> Reply:
        path = request.scope["path"]
        self._guard.check(path, request.headers)
        body = await _body(request, self._api.most_bytes(request.method, path))
        origin = f"{self._guard.scheme}://{request.headers['host']}"
        query = dict(request.query_params)
        if "last-event-id" in request.headers:  # a stream that goes on after a break
            query["after"] = request.headers["last-event-id"]
        call = partial(self._api.call, request.method, path, query, body, origin)
        anyio.to_thread.current_default_thread_limiter().total_tokens = CALLS
        return await run_in_threadpool(call)

    def _response(self, reply: Reply) -> Response:
        headers = dict(_ALWAYS)
        if reply.warnings:
            headers["X-Lakeflow-Warnings"] = json.dumps(reply.warnings)[:4000]
        if reply.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(reply.body, Watch):
            return StreamingResponse(self._events(reply.body), 200, headers, reply.type)
        if isinstance(reply.body, Tail):
            return StreamingResponse(self._lines(reply.body), 200, headers, reply.type)
        if isinstance(reply.body, bytes | str):
            return Response(reply.body, reply.status, headers, reply.type)
        text = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":"))
        return Response(text, reply.status, headers, reply.type)

    async def _events(self, watch: Watch) -> AsyncIterator[str]:
        async def read(watch: Watch) -> Any:
            return await run_in_threadpool(self._api.read, watch.read)

        yield ": lakeflow\n\n"
        async for events in self._changes.follow(watch, read):
            for each in events:
                text = json.dumps(event_json(each), ensure_ascii=False)
                yield f"id: {each.sequence}\nevent: {each.type}\ndata: {text}\n\n"
            if not events:
                yield ": still here\n\n"

    async def _lines(self, tail: Tail) -> AsyncIterator[str]:
        async def read(tail: Tail) -> Any:
            return await run_in_threadpool(self._api.read, tail.read)

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for seen, content in self._changes.tail(tail, read):
            if text := decoder.decode(content):
                yield f"id: {seen}\nevent: output\ndata: {json.dumps(text, ensure_ascii=False)}\n\n"
        yield "event: end\ndata: {}\n\n"


async def _body(request: HttpRequest, most: int) -> Mapping[str, Any]:
    """What a request carries.

    Raises:
        Refused: It is too large, or not JSON.
    """
    said = request.headers.get("content-length", "0")
    too_large = Refused(
        413, "REQUEST_ENTITY_TOO_LARGE", f"A call of this kind has at most {most:,} bytes."
    )
    if not said.isdigit() or int(said) > most:
        raise too_large
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise too_large
    if not content:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _json(bytes(content))
    if kind == "multipart/form-data":
        return await _form(request, bytes(content))
    raise Refused(
        415,
        "BAD_REQUEST",
        f"The content is {kind or 'of no type'}.",
        hint="Send JSON, with Content-Type: application/json.",
    )


def _json(content: bytes) -> Mapping[str, Any]:
    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    try:
        found = json.loads(content, parse_constant=refuse)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(
            400, "MALFORMED_REQUEST", f"The content is not valid JSON: {error}."
        ) from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise invalid("The content is a JSON object, with a field for each value.")
    return found


async def _form(request: HttpRequest, content: bytes) -> Mapping[str, Any]:
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def once() -> AsyncGenerator[bytes, None]:
        yield content

    parser = MultiPartParser(request.headers, once(), max_part_size=len(content))
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise Refused(400, "MALFORMED_REQUEST", f"The form cannot be read: {error}.") from None
    found: dict[str, Any] = {}
    for name, value in form.items():
        found[name] = value if isinstance(value, str) else await value.read()
    await form.close()
    return found
