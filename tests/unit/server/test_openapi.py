"""Calls written by chance from the API's own description: none of them is a fault of ours."""

from __future__ import annotations

import json
import re

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakeflow.core.settings import Settings
from lakeflow.server.api import Api, table
from lakeflow.server.compose import Server
from lakeflow.server.openapi import document


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    lakehouse = Settings.load({}, lakehouse=folder / "lakehouse")
    with Server(folder / "home", lakehouse) as server:
        api = Api(server)
        yield api
        api.close()


def test_the_description_is_served_and_has_every_route(api):
    reply = api.call("GET", "/api/2.2/openapi.json", origin="http://127.0.0.1:8080")
    assert reply.status == 200
    described = {
        (method.upper(), path) for path, item in reply.body["paths"].items() for method in item
    }
    known = {(route.method, path) for route in table().routes for path in route.paths}
    assert described == known
    ids = [each["operationId"] for item in reply.body["paths"].values() for each in item.values()]
    assert len(ids) == len(set(ids))
    assert json.loads(json.dumps(reply.body)) == reply.body


def test_every_part_of_a_path_is_described():
    for path, item in document(table().routes, "")["paths"].items():
        for operation in item.values():
            said = [
                each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"
            ]
            assert said == re.findall(r"\{(\w+)\}", path)


SCHEMA = schemathesis.openapi.from_dict(document(table().routes, "http://127.0.0.1"))
ENDLESS = ("/api/lakeflow/events", "/api/lakeflow/logs")
OPERATIONS = [
    f"{route.method} {route.paths[0]}" for route in table().routes if route.path not in ENDLESS
]


def call_by_chance(client, operation: str, examples: int) -> None:
    """Sends calls that fit the description, and some that do not; none may be a fault of ours."""
    method, path = operation.split()
    described = SCHEMA[path][method]
    kinds = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]

    @given(
        st.one_of(
            *(
                described.as_strategy(generation_mode=kind)
                for kind in kinds
                if valid(described, kind)
            )
        )
    )
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    def called(case) -> None:
        headers = {"Authorization": f"Bearer {client.served.token}"}
        answer = case.call(
            base_url=client.served.address, headers=headers, session=client.session, timeout=60
        )
        said = f"{operation} {case.query} {case.body!r}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 500 or answer.status_code == 501, said
        if answer.status_code >= 400:
            assert {*answer.json()} == {"error_code", "message", "details"}, said

    called()


def valid(described, kind) -> bool:
    """Whether there are calls of a kind: some routes take nothing that could be wrong."""
    if kind is schemathesis.GenerationMode.POSITIVE:
        return True
    return bool(described.query or described.body)


@pytest.fixture(scope="module")
def sender(served):
    class Sender:
        pass

    sender = Sender()
    sender.served = served
    with requests.Session() as sender.session:
        yield sender


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_call_of_many_is_a_fault(sender, operation):
    call_by_chance(sender, operation, 60)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=5),
    st.sampled_from(["1", "local", "/", "/Shared", "0s", "", "{{", "a" * 300, "-1"]),
    st.lists(st.one_of(st.text(max_size=3), st.integers(), st.dictionaries(st.text(), st.none()))),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3)),
)


@given(st.data())
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_junk_is_a_fault(api, data):
    route = data.draw(st.sampled_from(table().routes))
    path = re.sub(r"\{\w+\}", lambda _: data.draw(st.sampled_from(["1", "x", "local"])), route.path)
    path = path if path.startswith("/") else f"/api/{route.versions[-1]}/{path}"
    given = {
        each.name: data.draw(JUNK)
        for each in route.parameters
        if each.name != "wait_timeout" and (each.required or data.draw(st.booleans()))
    }
    reply = api.call(route.method, path, body=given)
    assert reply.status < 500 or reply.status == 501, (route.path, given, reply)
