"""The keys of both kinds of files, with the shapes of their values; see `fit`."""

from __future__ import annotations

from collections.abc import Mapping

from lakeflow.jobs.settings.fields import OBJECTS


def _keys(text: str) -> dict[str, str]:
    """Reads words such as `name:text`; without a shape anything fits."""
    pairs = (word.partition(":") for word in text.split())
    return {name: shape or "any" for name, _, shape in pairs}


KINDS = """
    alerts apps catalogs clusters dashboards database_catalogs database_instances experiments
    external_locations genie_spaces job_runs jobs model_serving_endpoints models pipelines
    quality_monitors registered_models schemas secret_scopes sql_warehouses synced_database_tables
    vector_search_endpoints vector_search_indexes volumes
""".split()
"""Kinds of resources; others are kept as well, with a warning."""

PIPELINE = _keys(
    """
    name:text catalog:text schema:text target:text storage:text configuration:mapping
    clusters:list libraries:list continuous:flag development:flag photon:flag serverless:flag
    edition:text channel:text notifications:list filters gateway_definition ingestion_definition
    trigger run_as tags:mapping environment event_log restart_window root_path:text
    budget_policy_id:text usage_policy_id:text allow_duplicate_names:flag dry_run:flag deployment
    id:text parameters:mapping
    """
)
"""What the Pipelines API takes."""

TARGET = _keys(
    """
    mode:text default:flag bundle workspace artifacts sync permissions run_as presets resources
    variables git cluster_id:text compute_id:text
    """
)

_OF_JOBS = {kind: {field.name: field.shape for field in fields} for kind, fields in OBJECTS.items()}

BUNDLE: Mapping[str, Mapping[str, str]] = {
    **_OF_JOBS,
    "file": _keys(
        """
        bundle:bundle include:list workspace:workspace artifacts:artifact{} sync:sync
        permissions:permission[] run_as:run_as presets:presets resources:resources
        experimental:object python:object scripts:object
        """
    ),
    "bundle": _keys(
        """
        name:text uuid:text databricks_cli_version:text cluster_id:text compute_id:text
        deployment:object git:git target:text environment:text
        """
    ),
    "git": _keys("branch:text origin_url:text commit:text"),
    "workspace": _keys(
        """
        host:text profile:text root_path:text file_path:text artifact_path:text state_path:text
        resource_path:text auth_type:text client_id:text account_id:text workspace_id:text
        google_service_account:text azure_client_id:text azure_environment:text
        azure_login_app_id:text azure_tenant_id:text azure_use_msi:flag
        azure_workspace_resource_id:text current_user:object
        """
    ),
    "artifact": _keys(
        "type:text build:text path:text files:list executable:text dynamic_version:flag"
    ),
    "sync": _keys("include:texts exclude:texts paths:texts"),
    "permission": _keys("level:text user_name:text group_name:text service_principal_name:text"),
    "run_as": _keys("user_name:text service_principal_name:text"),
    "presets": _keys(
        """
        name_prefix:text trigger_pause_status:text jobs_max_concurrent_runs:number
        pipelines_development:flag tags:mapping source_linked_deployment:flag
        artifacts_dynamic_version:flag
        """
    ),
    "resources": {
        **dict.fromkeys(KINDS, "object{}"),
        "jobs": "job{}",
        "pipelines": "pipeline{}",
    },
    "job": {**_OF_JOBS["job"], "permissions": "permission[]", "lifecycle": "object"},
    "pipeline": {**PIPELINE, "permissions": "permission[]", "lifecycle": "object"},
    "target": TARGET,
}
"""The objects of `databricks.yml` and what it includes."""

PROJECT: Mapping[str, Mapping[str, str]] = {
    **_OF_JOBS,
    "file": _keys(
        "name:text include:list variables jobs:job{} pipelines:pipeline{} freshness:text{}"
    ),
    "pipeline": {"path": "text", **PIPELINE},
}
"""The objects of `lakeflow.yml` and what it includes."""
