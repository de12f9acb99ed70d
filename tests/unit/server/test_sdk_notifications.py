"""Destinations of notifications and jobs of a repository, by the client that Databricks ships."""

from __future__ import annotations

import pytest
from databricks.sdk.errors import (
    InvalidParameterValue,
    ResourceDoesNotExist,
)
from databricks.sdk.errors import (
    NotImplemented as NotSupported,
)
from databricks.sdk.service import jobs
from databricks.sdk.service.settings import (
    Config,
    DestinationType,
    GenericWebhookConfig,
    PagerdutyConfig,
    SlackConfig,
)

from tests.unit.jobs.repository import make_repository
from tests.unit.server.receivers import Receiver


def test_a_job_tells_a_destination_that_was_created(client):
    with Receiver() as first, Receiver() as second:
        hook = GenericWebhookConfig(url=first.url, username="ann", password="hush")
        made = client.notification_destinations.create(
            display_name="ops", config=Config(generic_webhook=hook)
        )
        assert made.destination_type is DestinationType.WEBHOOK
        assert made.config.generic_webhook == GenericWebhookConfig(
            url_set=True, username_set=True, password_set=True
        )
        told = jobs.WebhookNotifications(on_success=[jobs.Webhook(made.id)])
        gate = jobs.ConditionTask(op=jobs.ConditionTaskOp.EQUAL_TO, left="1", right="1")
        job = client.jobs.create(
            name="told",
            tasks=[jobs.Task(task_key="gate", condition_task=gate)],
            webhook_notifications=told,
        )
        run = client.jobs.run_now(job.job_id).run_id
        (request,) = first.wait(1)
        assert request.headers["Authorization"] == "Basic YW5uOmh1c2g="
        page = client.jobs.get_run(run).run_page_url
        assert request.body["run_page_url"] == page
        changed = Config(generic_webhook=GenericWebhookConfig(url=second.url))
        after = client.notification_destinations.update(made.id, config=changed)
        assert after.config.generic_webhook.password_set
        client.jobs.run_now(job.job_id)
        second.wait(1)
    (listed,) = client.notification_destinations.list()
    assert (listed.id, listed.display_name) == (made.id, "ops")
    client.notification_destinations.update(made.id, display_name="night")
    assert client.notification_destinations.get(made.id).display_name == "night"
    client.notification_destinations.delete(made.id)
    assert list(client.notification_destinations.list()) == []
    for call in (client.notification_destinations.get, client.notification_destinations.delete):
        with pytest.raises(ResourceDoesNotExist):
            call(made.id)


def test_destinations_that_cannot_be_are_refused_without_their_secrets(client):
    create = client.notification_destinations.create
    with pytest.raises(NotSupported, match="pagerduty"):
        create(display_name="x", config=Config(pagerduty=PagerdutyConfig(integration_key="hush")))
    wrong = [
        None,
        Config(),
        Config(slack=SlackConfig(url="ftp://hush")),
        Config(slack=SlackConfig(url="http://x"), generic_webhook=GenericWebhookConfig(url="hush")),
        Config(generic_webhook=GenericWebhookConfig(username="hush")),
    ]
    for config in wrong:
        with pytest.raises(InvalidParameterValue) as caught:
            create(display_name="x", config=config)
        assert "hush" not in str(caught.value)


def test_a_run_of_a_repository_says_which_commit_it_used(client, tmp_path):
    commit = make_repository(tmp_path / "repository", {"hello.py": "print('from git')\n"})
    source = jobs.GitSource(
        git_url=str(tmp_path / "repository"),
        git_provider=jobs.GitProvider.GIT_HUB,
        git_branch="main",
    )
    task = jobs.Task(
        task_key="hello", spark_python_task=jobs.SparkPythonTask(python_file="hello.py")
    )
    job = client.jobs.create(name="from git", git_source=source, tasks=[task])
    run = client.ended(client.jobs.run_now(job.job_id).run_id)
    assert run.git_source.git_snapshot.used_commit == commit
    assert "from git" in client.jobs.get_run_output(run.tasks[0].run_id).logs
    client.jobs.update(
        job.job_id, new_settings=jobs.JobSettings(git_source=jobs.GitSource(
            git_url=str(tmp_path / "nothing"), git_provider=jobs.GitProvider.GIT_HUB,
        )),
    )  # fmt: skip
    run = client.ended(client.jobs.run_now(job.job_id).run_id)
    details = run.status.termination_details
    assert details.code is jobs.TerminationCodeCode.REPOSITORY_CHECKOUT_FAILED
    assert "does not appear to be a git repository" in details.message
