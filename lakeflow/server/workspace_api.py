"""The calls on files of the workspace."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from lakeflow.server.answers import Reply, invalid, unsupported
from lakeflow.server.routes import Request, Routes
from lakeflow.server.workspace import Workspace

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
_FORMATS = ("SOURCE", "AUTO", "RAW", "JUPYTER")
_OTHER_FORMATS = ("HTML", "DBC", "R_MARKDOWN")
_MOST_BYTES = 200 * 2**20


@ROUTES.add("POST", "workspace/mkdirs", "path* text The folder.")
def mkdirs(api: Api, request: Request) -> Any:
    """Makes a folder and those above it."""
    _of(api).make_folder(request["path"])
    return {}


@ROUTES.add(
    "POST",
    "workspace/import",
    """
    path*      text  Where it goes.
    content    any   The file, in base64; or as a part of a form.
    format     text  SOURCE if left out; AUTO, RAW and JUPYTER keep the name as it is.
    language   text  Of a notebook in SOURCE format.
    overwrite  flag  Whether it may take the place of another.
    """,
    most_bytes=_MOST_BYTES,
)
def import_file(api: Api, request: Request) -> Any:
    """Writes a file or a notebook."""
    content = request.get("content", b"")
    if isinstance(content, str):
        try:
            content = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("content is not in base64.") from None
    if not isinstance(content, bytes):
        raise invalid("content is a text in base64.")
    _of(api).write(
        request["path"],
        content,
        _format(request),
        request.get("language"),
        overwrite=bool(request.get("overwrite")),
    )
    return {}


@ROUTES.add(
    "GET",
    "workspace/export",
    """
    path*            text  The file.
    format           text  SOURCE, AUTO, RAW or JUPYTER.
    direct_download  flag  Whether the answer is the file itself.
    """,
)
def export(api: Api, request: Request) -> Any:
    """Reads a file or a notebook."""
    _format(request)
    place = _of(api).find(request["path"])
    if place.is_dir():
        raise unsupported(f"Export of the folder {request['path']}", "Export its files.")
    content = place.read_bytes()
    if request.get("direct_download"):
        return Reply(body=content, type="application/octet-stream")
    kind = place.suffix.removeprefix(".")
    return {"content": base64.b64encode(content).decode(), "file_type": kind}


@ROUTES.add(
    "GET",
    "workspace/list",
    """
    path*                     text    The folder.
    notebooks_modified_after  number  Only notebooks changed since, in milliseconds since 1970.
    """,
)
def list_files(api: Api, request: Request) -> Any:
    """What lies in a folder."""
    found = _of(api).list(request["path"])
    since = request.get("notebooks_modified_after")
    if since is not None:
        found = [
            each
            for each in found
            if each["object_type"] != "NOTEBOOK" or each["modified_at"] >= since
        ]
    return {"objects": found}


@ROUTES.add("GET", "workspace/get-status", "path* text The file or folder.")
def get_status(api: Api, request: Request) -> Any:
    """What something in the workspace is."""
    workspace = _of(api)
    return workspace.about(workspace.find(request["path"])) | {"path": request["path"]}


@ROUTES.add(
    "POST",
    "workspace/delete",
    """
    path*      text  The file or folder.
    recursive  flag  Whether a folder goes with what lies in it.
    """,
)
def delete(api: Api, request: Request) -> Any:
    """Removes a file or a folder."""
    _of(api).delete(request["path"], recursive=bool(request.get("recursive")))
    return {}


def _of(api: Api) -> Workspace:
    return Workspace(api.home.workspace)


def _format(request: Request) -> str:
    found = str(request.get("format") or "SOURCE")
    if found in _OTHER_FORMATS:
        raise unsupported(f"The format {found}", f"Use {', '.join(_FORMATS)}.")
    if found not in _FORMATS:
        raise invalid(f"{found!r} is no format.", f"Formats are {', '.join(_FORMATS)}.")
    return found
