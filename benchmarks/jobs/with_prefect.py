"""The same jobs given to Prefect; runs in Prefect's own virtual environment.

`called`: the flow is a function that this process calls. `served`: another process serves its
deployment, asks the server every ten seconds for runs, and starts a process for each. Tasks run on
threads of the flow's process either way.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import services

if __name__ == "__main__" and len(sys.argv) == 2:
    # Settings are read when Prefect is imported.
    HOME, PORT = Path(sys.argv[1]), services.free_port()
    os.environ["PREFECT_HOME"] = str(HOME)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{PORT}/api"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"

import prefect
from prefect.deployments import run_deployment


@prefect.task
def nothing() -> None:
    pass


@prefect.flow
def chain(count: int) -> None:
    for _ in range(count):
        nothing()


@prefect.flow
def fan(count: int) -> None:
    for future in [nothing.submit() for _ in range(count)]:
        future.result()


def serve() -> None:
    prefect.serve(*(flow.to_deployment("here") for flow in (chain, fan)))


def deployed(shape: str, count: int) -> prefect.client.schemas.objects.FlowRun:
    given = {"count": count}
    return run_deployment(
        f"{shape}/here", parameters=given, timeout=None, poll_interval=services.LOOK
    )


def main() -> None:
    program = [sys.executable, "-m", "prefect", "server", "start", "--port", str(PORT)]
    with services.running(HOME, program):
        services.wait_for(f"http://127.0.0.1:{PORT}/api/health")
        with services.running(HOME, [sys.executable, __file__, "serve", "here"]):

            def run(shape: str, count: int, place: str) -> None:
                if place == "called":
                    {"chain": chain, "fan": fan}[shape](count)
                    return
                found = deployed(shape, count)
                if not found.state.is_completed():
                    raise SystemExit(f"Prefect's run is {found.state}.")

            while True:
                try:
                    deployed("fan", 1)
                    break
                except prefect.exceptions.ObjectNotFound:
                    time.sleep(0.5)
            services.answer(run, prefect.__version__)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main()
    else:
        serve()
