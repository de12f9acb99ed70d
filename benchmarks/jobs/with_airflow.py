"""The same jobs given to Airflow; runs in Airflow's own virtual environment.

`airflow standalone` is API server, scheduler, processor of DAGs and triggerer on one machine, with
SQLite and the LocalExecutor: a process for each task.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import services

DAGS = """
from airflow.sdk import dag, task


@task
def nothing():
    pass


@dag(schedule=None)
def chain10():
    last = nothing()
    for _ in range(9):
        following = nothing()
        last >> following
        last = following


@dag(schedule=None)
def fan100():
    for _ in range(100):
        nothing()


chain10()
fan100()
"""


class Client:
    """Airflow's REST API."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._token = ""
        self._token = self.call("GET", "/auth/token")["access_token"]

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self._address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self._token}",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def state(self, path: str) -> str:
        """State of a run; empty where its database was locked, which is an internal error."""
        try:
            return self.call("GET", path)["state"]
        except urllib.error.HTTPError as error:
            if error.code != 500:
                raise
            return ""


def main() -> None:
    import airflow

    home, port = Path(sys.argv[1]), services.free_port()
    (home / "dags").mkdir()
    (home / "dags" / "jobs.py").write_text(DAGS)
    address = f"http://127.0.0.1:{port}"
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        # The processes of `standalone` are started by name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    with services.running(home, [sys.executable, "-m", "airflow", "standalone"]):
        services.wait_for(f"{address}/api/v2/monitor/health")
        client = Client(address)
        while len(client.call("GET", "/api/v2/dags")["dags"]) < 2:
            time.sleep(1)
        for name in ("chain10", "fan100"):
            client.call("PATCH", f"/api/v2/dags/{name}", {"is_paused": False})

        def run(shape: str, count: int, place: str) -> None:  # noqa: ARG001 - there is one
            path = f"/api/v2/dags/{shape}{count}/dagRuns"
            run_id = client.call("POST", path, {"logical_date": None})["dag_run_id"]
            while (state := client.state(f"{path}/{run_id}")) not in ("success", "failed"):
                time.sleep(services.LOOK)
            if state != "success":
                raise SystemExit(f"Airflow's run is {state}.")

        services.answer(run, airflow.__version__)


if __name__ == "__main__":
    main()
