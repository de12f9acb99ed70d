"""Where an update stands, and what of it fits on the screen."""

from __future__ import annotations

import threading
from datetime import timedelta

from lakeflow.cli.live import fold
from lakeflow.cli.progress import FlowProgress, UpdateProgress, replay


def test_batches_add_up(fake):
    bronze, silver = replay(fake.GOOD).flows()
    assert (bronze.name, bronze.state) == ("bronze", "COMPLETED")
    assert (bronze.rows, bronze.dropped, bronze.quarantined) == (12_345, 2, 1)
    (positive,) = bronze.expectations.values()
    assert (positive.passed, positive.failed) == (12_343, 2)
    assert bronze.seconds(fake.NOON) == 2.0
    assert silver.seconds(fake.NOON) == 0.5


def test_time_of_a_flow_at_work_goes_on(fake):
    progress = replay([fake.flow_event("bronze", "RUNNING", 1.0)])
    assert progress.flows()[0].seconds(fake.NOON + timedelta(seconds=4)) == 3.0
    progress = replay([fake.flow_event("bronze", "QUEUED", 1.0)])
    assert progress.flows()[0].seconds(fake.NOON + timedelta(seconds=4)) == 0.0


def test_what_is_finished_and_what_is_not(fake):
    states = "QUEUED PLANNING STARTING RUNNING COMPLETED FAILED SKIPPED STOPPED IDLE EXCLUDED"
    progress = replay(fake.flow_event(state.lower(), state) for state in states.split())
    assert progress.finished() == ["completed", "idle", "excluded"]
    assert progress.unfinished() == (
        "queued planning starting running failed skipped stopped".split()
    )


def test_a_retried_flow_is_at_work_again(fake):
    progress = replay(
        [
            fake.flow_event("bronze", "RUNNING"),
            fake.flow_event("bronze", "FAILED", 1.0),
            fake.flow_event("bronze", "RUNNING", 2.0),
        ]
    )
    assert progress.flows()[0].ended is None


def test_events_may_come_from_many_threads(fake):
    progress = UpdateProgress()
    event = fake.flow_event("bronze", "RUNNING", rows=1, counts=[fake.Counted("positive", 1, 0)])

    def tell() -> None:
        for _ in range(500):
            progress.apply(event)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (flow,) = progress.flows()
    assert flow.rows == 2000
    assert flow.expectations["positive"].passed == 2000


def test_flows_at_work_are_shown_before_those_that_wait_and_those_that_are_done():
    flows = [
        FlowProgress("done", "COMPLETED"),
        FlowProgress("waits", "QUEUED"),
        FlowProgress("works", "RUNNING"),
        FlowProgress("broke", "FAILED"),
    ]
    assert [flow.name for flow in fold(flows, 2)] == ["works", "broke"]
    assert [flow.name for flow in fold(flows, 3)] == ["waits", "works", "broke"]
    assert fold(flows, 4) == flows
