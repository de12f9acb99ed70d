"""The same jobs given to Dagster; runs in Dagster's own virtual environment.

`dagster dev` is webserver, daemon and code server on one machine, and loads this very file. A run
is a process; by default each of its ops is another one.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import dagster

sys.path.insert(0, str(Path(__file__).parent))
import services


@dagster.op
def nothing() -> None:
    pass


@dagster.op(ins={"after": dagster.In(dagster.Nothing)})
def nothing_after() -> None:
    pass


def chain(count: int, **settings: object) -> dagster.JobDefinition:
    @dagster.job(name=f"chain{count}_{len(settings)}", **settings)
    def job() -> None:
        last = nothing()
        for number in range(1, count):
            last = nothing_after.alias(f"task{number}")(last)

    return job


def fan(count: int, **settings: object) -> dagster.JobDefinition:
    @dagster.job(name=f"fan{count}_{len(settings)}", **settings)
    def job() -> None:
        for number in range(count):
            nothing.alias(f"task{number}")()

    return job


IN_PROCESS = {"executor_def": dagster.in_process_executor}
definitions = dagster.Definitions(
    jobs=[shape(n, **given) for shape, n in ((chain, 10), (fan, 100)) for given in ({}, IN_PROCESS)]
)


def main() -> None:
    from dagster_graphql import DagsterGraphQLClient

    home, port = Path(sys.argv[1]), services.free_port()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(home)
    dev = [sys.executable, "-m", "dagster", "dev", "-f", __file__, "-p", str(port)]
    with services.running(home, dev):
        services.wait_for(f"http://127.0.0.1:{port}/server_info")
        client = DagsterGraphQLClient("127.0.0.1", port_number=port)

        def run(shape: str, count: int, place: str) -> None:
            number = 1 if place == "in process" else 0
            run_id = client.submit_job_execution(f"{shape}{count}_{number}")
            while not (status := client.get_run_status(run_id)).name.endswith(services.ENDS):
                time.sleep(services.LOOK)
            if status.name != "SUCCESS":
                raise SystemExit(f"Dagster's run is {status.name}.")

        services.answer(run, dagster.__version__)


if __name__ == "__main__":
    main()
