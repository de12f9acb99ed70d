"""Airflow's operators against a server; run by the Python that has Airflow, which prints JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

HOST, PORT, TOKEN, FOLDER = sys.argv[1:]
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(dir=FOLDER)
os.environ["AIRFLOW_CONN_DATABRICKS_DEFAULT"] = json.dumps(
    {
        "conn_type": "databricks",
        "host": HOST,
        "port": int(PORT),
        "schema": "http",
        "extra": {"token": TOKEN},
    }
)

from airflow.exceptions import AirflowException, TaskDeferred  # noqa: E402
from airflow.providers.databricks.hooks.databricks import DatabricksHook  # noqa: E402
from airflow.providers.databricks.operators.databricks import (  # noqa: E402
    DatabricksCreateJobsOperator,
    DatabricksRunNowOperator,
    DatabricksSQLStatementsOperator,
    DatabricksSubmitRunOperator,
)

CONTEXT = {"ti": MagicMock()}
FOUND: dict[str, object] = {}


def script(name: str, text: str) -> dict[str, object]:
    path = Path(FOLDER) / f"{name}.py"
    path.write_text(text)
    return {"task_key": name, "spark_python_task": {"python_file": str(path)}}


def raised(operator) -> str:
    try:
        operator.execute(CONTEXT)
    except AirflowException as error:
        return str(error)
    return ""


good, bad = script("good", "print(1)"), script("bad", "raise ValueError(3)")
quick = {"polling_period_seconds": 1}
hook = DatabricksHook()
FOUND["connection"] = hook.test_connection()

submitted = DatabricksSubmitRunOperator(task_id="submit", tasks=[good], **quick)
submitted.execute(CONTEXT)
FOUND["submitted"] = hook.get_run_state(submitted.run_id).is_successful
older = {"spark_python_task": good["spark_python_task"], "new_cluster": {"num_workers": 1}}
submitted = DatabricksSubmitRunOperator(task_id="older", json=older, **quick)
submitted.execute(CONTEXT)
FOUND["older"] = hook.get_run_state(submitted.run_id).is_successful

creating = DatabricksCreateJobsOperator(
    task_id="create",
    json={"name": "of airflow", "tasks": [bad, {**good, "depends_on": [{"task_key": "bad"}]}]},
)
job_id = creating.execute(CONTEXT)
FOUND["created again"] = (
    creating.execute(CONTEXT) == job_id == hook.find_job_id_by_name("of airflow")
)
running = DatabricksRunNowOperator(task_id="run", job_name="of airflow", **quick)
FOUND["failed"] = raised(running)

script("bad", "print(2)")
hook.repair_run({"run_id": running.run_id, "rerun_all_failed_tasks": True})
while not hook.get_run_state(running.run_id).is_terminal:
    pass
FOUND["repaired"] = hook.get_run_state(running.run_id).is_successful
FOUND["latest repair"] = hook.get_latest_repair_id(running.run_id) is not None

slow = script("slow", "import time; time.sleep(4)")  # what has ended need not be deferred
deferred = DatabricksSubmitRunOperator(task_id="defer", tasks=[slow], deferrable=True, **quick)
try:
    deferred.execute(CONTEXT)
except TaskDeferred as error:
    trigger = error.trigger


async def first_event() -> dict[str, object]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError


event = asyncio.run(first_event())
deferred.execute_complete(CONTEXT, event)
FOUND["deferred"] = json.loads(str(event["run_state"]))["result_state"]

DatabricksSQLStatementsOperator(
    task_id="sql", statement="SELECT 1", warehouse_id="local", **quick
).execute(CONTEXT)
FOUND["cluster"] = hook.get_cluster_state("local").is_running
print(f"\nFOUND {json.dumps(FOUND)}")
