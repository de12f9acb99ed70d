"""What Airflow's Databricks provider does against a server; run by Airflow's own interpreter.

AIRFLOW_PYTHON airflow_client.py PORT TOKEN FOLDER      prints as JSON what each operator did
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

PORT, TOKEN, FOLDER = sys.argv[1:4]
os.environ["AIRFLOW_CONN_DATABRICKS_DEFAULT"] = json.dumps(
    {
        "conn_type": "databricks",
        "host": "127.0.0.1",
        "schema": "http",
        "port": int(PORT),
        "extra": {"token": TOKEN},
    }
)

from airflow.providers.databricks.hooks.databricks import DatabricksHook  # noqa: E402
from airflow.providers.databricks.operators.databricks import (  # noqa: E402
    DatabricksCreateJobsOperator,
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.providers.databricks.triggers.databricks import (  # noqa: E402
    DatabricksExecutionTrigger,
)

SOON = {"polling_period_seconds": 1, "do_xcom_push": False}


def shell(key: str, command: str) -> dict:
    return {"task_key": key, "shell_task": {"command": command}}


def execute(operator: object) -> str:
    """What an operator comes to."""
    try:
        operator.execute({"ti": None})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def defer(run_id: int) -> str:
    """What a deferred operator is told at the end."""
    trigger = DatabricksExecutionTrigger(run_id, "databricks_default", polling_period_seconds=1)

    async def first() -> object:
        async for event in trigger.run():
            return event.payload
        return None

    return str(json.loads(asyncio.run(first())["run_state"])["result_state"])


hook = DatabricksHook()
flaky = f"test -e {FOLDER}/mended"
created = DatabricksCreateJobsOperator(
    task_id="create",
    name="of airflow",
    tasks=[shell("load", "true"), {**shell("check", flaky), "depends_on": [{"task_key": "load"}]}],
)
job_id = created.execute({"ti": None, "task_instance": None})
failing = DatabricksRunNowOperator(task_id="now", job_id=job_id, **SOON)
told = {
    "connection": hook.test_connection()[0],
    "submitted": execute(
        DatabricksSubmitRunOperator(task_id="good", tasks=[shell("a", "true")], **SOON)
    ),
    "submitted, fails": execute(
        DatabricksSubmitRunOperator(task_id="bad", tasks=[shell("a", "exit 3")], **SOON)
    ),
    "run now, fails": execute(failing),
}
Path(FOLDER, "mended").touch()
repair = {"run_id": failing.run_id, "rerun_all_failed_tasks": True}
hook.repair_run(repair)
told["repaired"] = defer(failing.run_id)
told["run now"] = execute(DatabricksRunNowOperator(task_id="again", job_id=job_id, **SOON))
told["by name"] = execute(DatabricksRunNowOperator(task_id="name", job_name="of airflow", **SOON))
waiting = hook.submit_run({"run_name": "slow", "tasks": [shell("s", "sleep 100")]})
hook.cancel_run(waiting)
told["cancelled"] = defer(waiting)
print(json.dumps(told))
