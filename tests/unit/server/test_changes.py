"""Events and output as they happen."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

from databricks.sdk.service import jobs


def lines(served, path: str, **headers: str) -> Iterator[tuple[int | None, str, object]]:
    """Server-sent events: id, name and data of each."""
    asked = urllib.request.Request(
        f"{served.address}{path}", headers={"Authorization": f"Bearer {served.token}", **headers}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        fields: dict[str, str] = {}
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield number, fields["event"], json.loads(fields["data"])
                fields = {}


def submit(client, text: str, tmp_path) -> int:
    path = tmp_path / "script.py"
    path.write_text(text)
    task = jobs.SubmitTask(
        task_key="t", spark_python_task=jobs.SparkPythonTask(python_file=str(path))
    )
    return client.jobs.submit(run_name="x", tasks=[task]).run_id


def until_ended(events) -> list[tuple[int, str]]:
    found = []
    for number, name, _ in events:
        found.append((number, name))
        if name == "run.ended":
            break
    events.close()
    return found


def test_events_are_told_in_order_and_go_on_after_a_break(client, served, tmp_path):
    run_id = submit(client, "", tmp_path)
    path = f"/api/lakeflow/events?run_id={run_id}"
    whole = until_ended(lines(served, path))
    assert [name for _, name in whole] == [
        "run.accepted",
        "run.started",
        "task.started",
        "task.ended",
        "run.ended",
    ]
    numbers = [number for number, _ in whole]
    assert numbers == sorted(numbers)
    assert until_ended(lines(served, f"{path}&after={numbers[1]}")) == whole[2:]
    again = lines(served, path, **{"Last-Event-ID": str(numbers[2])})
    assert until_ended(again) == whole[3:]


def test_output_is_told_while_the_task_runs(client, served, tmp_path):
    flag = tmp_path / "flag"
    text = (
        "import pathlib, time\nprint('first ü', flush=True)\n"
        f"while not pathlib.Path({str(flag)!r}).exists(): time.sleep(0.01)\nprint('second')\n"
    )
    run_id = submit(client, text, tmp_path)
    task = client.jobs.get_run(run_id).tasks[0].run_id
    told = lines(served, f"/api/lakeflow/logs?run_id={task}")
    _, name, first = next(told)
    assert (name, first) == ("output", "first ü\n")
    flag.touch()
    rest = list(told)
    assert "".join(str(data) for _, name, data in rest if name == "output") == "second\n"
    assert rest[-1][1] == "end"
    client.ended(run_id)
    later = list(lines(served, f"/api/lakeflow/logs?run_id={task}&after=9"))
    assert [data for _, name, data in later if name == "output"] == ["second\n"]
