"""Compute as clients look for it: one warehouse and one cluster, both of which are this server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakeflow.server.answers import missing, unsupported
from lakeflow.server.routes import Request, Routes

if TYPE_CHECKING:
    from lakeflow.server.api import Api

NAME = "local"
"""Id of the one warehouse, and of the one cluster."""

ROUTES = Routes()
CLUSTERS = ("2.0", "2.1")
_ID = "cluster_id* text The cluster."
_SPARK = {"key": "local-scala2.13", "name": "Lakeflow on this machine (Scala 2.13)"}


def _warehouse(request: Request) -> dict[str, Any]:
    at = urlsplit(request.origin)
    return {
        "id": NAME,
        "name": NAME,
        "state": "RUNNING",
        "cluster_size": "2X-Small",
        "warehouse_type": "PRO",
        "enable_serverless_compute": False,
        "auto_stop_mins": 0,
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "num_clusters": 1,
        "num_active_sessions": 0,
        "creator_name": "",
        "health": {"status": "HEALTHY"},
        "odbc_params": {
            "hostname": at.hostname or "",
            "port": at.port or 0,
            "path": f"/sql/1.0/warehouses/{NAME}",
            "protocol": at.scheme,
        },
    }


@ROUTES.add("GET", "sql/warehouses")
def list_warehouses(_: Api, request: Request) -> Any:
    """The one warehouse, `local`."""
    return {"warehouses": [_warehouse(request)]}


@ROUTES.add("POST", "sql/warehouses", status="refused", open=True)
def create_warehouse(_api: Api, _: Request) -> Any:
    """There is one warehouse, `local`."""
    raise unsupported("A further warehouse", "Use the one whose id is local.")


@ROUTES.add("GET", "sql/warehouses/{id}")
def get_warehouse(_: Api, request: Request) -> Any:
    """The one warehouse."""
    _check_warehouse(request)
    return _warehouse(request)


@ROUTES.add("POST", "sql/warehouses/{id}/start", status="recorded")
def start_warehouse(_: Api, request: Request) -> Any:
    """It always runs."""
    _check_warehouse(request)
    return {}


@ROUTES.add("POST", "sql/warehouses/{id}/stop", status="recorded")
def stop_warehouse(_: Api, request: Request) -> Any:
    """It goes on while the server does."""
    _check_warehouse(request)
    return {}


@ROUTES.add("POST", "sql/warehouses/{id}/edit", status="recorded", open=True)
def edit_warehouse(_: Api, request: Request) -> Any:
    """Its sizes are those of the machine."""
    _check_warehouse(request)
    return {"id": NAME}


def _check_warehouse(request: Request) -> None:
    if request["id"] != NAME:
        raise missing(f"SQL warehouse {request['id']} does not exist. There is one, {NAME}.")


def _cluster(api: Api) -> dict[str, Any]:
    return {
        "cluster_id": NAME,
        "cluster_name": NAME,
        "state": "RUNNING",
        "state_message": "",
        "spark_version": _SPARK["key"],
        "node_type_id": NAME,
        "num_workers": 0,
        "cluster_cores": float(os.cpu_count() or 1),
        "cluster_memory_mb": _memory(),
        "cluster_source": "API",
        "creator_user_name": api.user,
        "autotermination_minutes": 0,
    }


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


@ROUTES.add("GET", "clusters/list", versions=CLUSTERS, open=True)
def list_clusters(api: Api, _: Request) -> Any:
    """The one cluster, `local`."""
    return {"clusters": [_cluster(api)]}


@ROUTES.add("GET", "clusters/get", _ID, versions=CLUSTERS)
def get_cluster(api: Api, request: Request) -> Any:
    """The one cluster."""
    _check_cluster(request)
    return _cluster(api)


@ROUTES.add("POST", "clusters/start", _ID, versions=CLUSTERS, status="recorded")
def start_cluster(_: Api, request: Request) -> Any:
    """It always runs; tasks that share a process have it by `existing_cluster_id`."""
    _check_cluster(request)
    return {}


@ROUTES.add("POST", "clusters/restart", _ID, versions=CLUSTERS)
def restart_cluster(api: Api, request: Request) -> Any:
    """Ends the process that tasks with `existing_cluster_id` share; the next one begins another."""
    _check_cluster(request)
    api.server.end_cluster(NAME)
    return {}


@ROUTES.add("POST", "clusters/create", versions=CLUSTERS, status="refused", open=True)
def create_cluster(_api: Api, _: Request) -> Any:
    """There is one cluster, `local`; `new_cluster` of a task is a process of its own."""
    raise unsupported("A further cluster", "Use existing_cluster_id local, or new_cluster.")


@ROUTES.add("GET", "clusters/spark-versions", versions=CLUSTERS)
def spark_versions(_api: Api, _: Request) -> Any:
    """The one version that there is."""
    return {"versions": [_SPARK]}


@ROUTES.add("GET", "clusters/list-node-types", versions=CLUSTERS)
def node_types(_api: Api, _: Request) -> Any:
    """This machine."""
    return {
        "node_types": [
            {
                "node_type_id": NAME,
                "description": "This machine",
                "instance_type_id": NAME,
                "category": "General Purpose",
                "memory_mb": _memory(),
                "num_cores": float(os.cpu_count() or 1),
                "num_gpus": 0,
                "is_deprecated": False,
                "node_info": {"status": []},
            }
        ]
    }


@ROUTES.add("GET", "libraries/cluster-status", _ID)
def cluster_status(_: Api, request: Request) -> Any:
    """Packages are installed for tasks, not for the cluster."""
    _check_cluster(request)
    return {"cluster_id": NAME, "library_statuses": []}


@ROUTES.add("GET", "libraries/all-cluster-statuses")
def all_cluster_statuses(_api: Api, _: Request) -> Any:
    """The same for the one cluster."""
    return {"statuses": [{"cluster_id": NAME, "library_statuses": []}]}


@ROUTES.add("POST", "libraries/install", status="refused", open=True)
def install(_api: Api, _: Request) -> Any:
    """Packages are named by tasks, in `libraries` or by `environment_key`."""
    raise unsupported("A package of the cluster", "Name it in libraries of the task.")


def _check_cluster(request: Request) -> None:
    if request["cluster_id"] != NAME:
        raise missing(f"Cluster {request['cluster_id']} does not exist. There is one, {NAME}.")


@ROUTES.add("POST", "/telemetry-ext", status="recorded", open=True)
def telemetry(_api: Api, _: Request) -> Any:
    """What clients count of themselves is thrown away."""
    return {}
