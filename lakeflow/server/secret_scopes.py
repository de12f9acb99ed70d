"""Secrets, by scope and key, in a file that only its owner can read."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import CorruptStateError, TaskError
from lakeflow.server.answers import Refused, invalid, missing
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

ROUTES = Routes()
MOST_BYTES = 128 * 1024
_NAME = re.compile(r"[\w.@ -]{1,128}", re.ASCII)
_REFERENCE = re.compile(r"\{\{\s*secrets/([^/{}]+)/([^/{}]+?)\s*\}\}")
_PERMISSIONS = ("READ", "WRITE", "MANAGE")
_LOCK = threading.Lock()


class Secrets:
    """The scopes of a home.

    Args:
        home: Its folder.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "secrets.json"

    def read(self) -> dict[str, Any]:
        """All scopes, each with its `secrets` and `acls`."""
        try:
            return dict(json.loads(self.path.read_text()))
        except FileNotFoundError:
            return {}
        except ValueError:  # what it says may hold a secret
            raise CorruptStateError(
                f"{self.path} cannot be read.", hint="Restore it from a copy."
            ) from None

    def write(self, scopes: Mapping[str, Any]) -> None:
        """Keeps all scopes; they are durable when this returns."""
        half = self.path.with_suffix(".half")
        half.unlink(missing_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(scopes, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self.path)

    def scope(self, scopes: Mapping[str, Any], name: str) -> dict[str, Any]:
        """One of the scopes.

        Raises:
            Refused: There is none of this name.
        """
        if name not in scopes:
            raise missing(f"Scope {name} does not exist!")
        return dict(scopes[name])

    def resolved(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Variables with what `{{secrets/SCOPE/KEY}}` stands for.

        Raises:
            TaskError: There is no such secret.
        """
        if not any("{{" in value for value in variables.values()):
            return dict(variables)
        scopes = self.read()

        def value(match: re.Match[str]) -> str:
            kept = scopes.get(match[1], {}).get("secrets", {}).get(match[2])
            if kept is None:
                raise TaskError(
                    f"There is no secret {match[2]} in a scope {match[1]}.",
                    "INVALID_RUN_CONFIGURATION",
                    hint="Put it there: POST /api/2.0/secrets/put.",
                )
            return base64.b64decode(kept["value"]).decode()

        return {name: _REFERENCE.sub(value, each) for name, each in variables.items()}


_SCOPE = "scope* text The scope."
_KEY = f"{_SCOPE}\nkey* text The secret."
_WHO = f"{_SCOPE}\nprincipal* text A user or a group."


@ROUTES.add(
    "POST",
    "secrets/scopes/create",
    """
    scope*                    text    Its name.
    initial_manage_principal  text    Who may manage it.
    scope_backend_type        text    DATABRICKS.
    backend_azure_keyvault    object  Not supported.
    """,
)
def create_scope(api: Api, request: Request) -> Any:
    """Makes a scope for secrets."""
    if request.get("scope_backend_type") not in (None, "DATABRICKS"):
        raise invalid("scope_backend_type is DATABRICKS.")
    name = _name("scope", request["scope"])
    secrets = Secrets(api.home.folder)
    with _LOCK:
        scopes = secrets.read()
        if name in scopes:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS", f"Scope {name} already exists!")
        who = request.get("initial_manage_principal") or api.user
        scopes[name] = {"secrets": {}, "acls": {who: "MANAGE"}}
        secrets.write(scopes)
    return {}


@ROUTES.add("GET", "secrets/scopes/list")
def list_scopes(api: Api, _: Request) -> Any:
    """The scopes."""
    found = Secrets(api.home.folder).read()
    return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in sorted(found)]}


@ROUTES.add("POST", "secrets/scopes/delete", _SCOPE)
def delete_scope(api: Api, request: Request) -> Any:
    """Removes a scope and its secrets."""
    secrets = Secrets(api.home.folder)
    with _LOCK:
        scopes = secrets.read()
        secrets.scope(scopes, request["scope"])
        del scopes[request["scope"]]
        secrets.write(scopes)
    return {}


@ROUTES.add(
    "POST",
    "secrets/put",
    f"""
    {_KEY}
    string_value  secret  Its value.
    bytes_value   secret  Its value in base64 instead.
    """,
)
def put_secret(api: Api, request: Request) -> Any:
    """Keeps a secret."""
    given = [name for name in ("string_value", "bytes_value") if name in request.values]
    if len(given) != 1:
        raise invalid("A secret has either string_value or bytes_value.")
    value = request[given[0]].encode()
    if given == ["bytes_value"]:
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise invalid("bytes_value is not in base64.") from None
    if len(value) > MOST_BYTES:
        raise invalid(f"A secret has at most {MOST_BYTES:,} bytes.")
    key = _name("key", request["key"])
    kept = {"value": base64.b64encode(value).decode(), "at": api.now()}
    _change(api, request["scope"], lambda scope: scope["secrets"].update({key: kept}))
    return {}


@ROUTES.add("GET", "secrets/get", _KEY)
def get_secret(api: Api, request: Request) -> Any:
    """A secret, in base64."""
    found = _secrets_of(api, request["scope"])
    return {"key": request["key"], "value": _present(found, request)["value"]}


@ROUTES.add("GET", "secrets/list", _SCOPE)
def list_secrets(api: Api, request: Request) -> Any:
    """Names of the secrets of a scope."""
    found = _secrets_of(api, request["scope"])
    return {
        "secrets": [
            {"key": key, "last_updated_timestamp": each["at"]}
            for key, each in sorted(found.items())
        ]
    }


@ROUTES.add("POST", "secrets/delete", _KEY)
def delete_secret(api: Api, request: Request) -> Any:
    """Removes a secret."""

    def remove(scope: dict[str, Any]) -> None:
        _present(scope["secrets"], request)
        del scope["secrets"][request["key"]]

    _change(api, request["scope"], remove)
    return {}


@ROUTES.add(
    "POST",
    "secrets/acls/put",
    f"{_WHO}\npermission* text READ, WRITE or MANAGE.",
    status="recorded",
)
def put_acl(api: Api, request: Request) -> Any:
    """Says who may use a scope; kept and shown, for there is one user."""
    said = request["permission"]
    if said not in _PERMISSIONS:
        raise invalid(f"{said!r} is no permission.", f"Use {', '.join(_PERMISSIONS)}.")
    who = request["principal"]
    _change(api, request["scope"], lambda scope: scope["acls"].update({who: said}))
    return {}


@ROUTES.add("GET", "secrets/acls/list", _SCOPE)
def list_acls(api: Api, request: Request) -> Any:
    """Who may use a scope."""
    secrets = Secrets(api.home.folder)
    found = secrets.scope(secrets.read(), request["scope"])["acls"]
    return {"items": [{"principal": who, "permission": said} for who, said in found.items()]}


@ROUTES.add("GET", "secrets/acls/get", _WHO)
def get_acl(api: Api, request: Request) -> Any:
    """What somebody may do with a scope."""
    secrets = Secrets(api.home.folder)
    found = secrets.scope(secrets.read(), request["scope"])["acls"]
    who = request["principal"]
    if who not in found:
        raise missing(f"Scope {request['scope']} has no entry for {who}.")
    return {"principal": who, "permission": found[who]}


@ROUTES.add("POST", "secrets/acls/delete", _WHO, status="recorded")
def delete_acl(api: Api, request: Request) -> Any:
    """Removes such an entry."""

    def remove(scope: dict[str, Any]) -> None:
        if scope["acls"].pop(request["principal"], None) is None:
            raise missing(f"Scope {request['scope']} has no entry for {request['principal']}.")

    _change(api, request["scope"], remove)
    return {}


def _change(api: Api, name: str, change: Any) -> None:
    secrets = Secrets(api.home.folder)
    with _LOCK:
        scopes = secrets.read()
        change(secrets.scope(scopes, name))
        secrets.write(scopes)


def _secrets_of(api: Api, scope: str) -> dict[str, Any]:
    secrets = Secrets(api.home.folder)
    return dict(secrets.scope(secrets.read(), scope)["secrets"])


def _present(found: Mapping[str, Any], request: Request) -> Any:
    if request["key"] not in found:
        raise missing(f"Scope {request['scope']} has no secret {request['key']}.")
    return found[request["key"]]


def _name(kind: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise invalid(f"A {kind} has letters, digits and -_.@, at most 128 of them, not {text!r}.")
    return text
