"""What `databricks.sdk.runtime` looks for where it runs, so that it finds our `dbutils`."""

from __future__ import annotations

from typing import Any

from lakeflow.jobs.workers.tasks.namespace import current


class UserNamespaceInitializer:
    """Gives the names of the attempt that runs in this process."""

    @classmethod
    def getOrCreate(cls) -> UserNamespaceInitializer:
        """An instance; there is nothing to it."""
        return cls()

    def get_namespace_globals(self) -> dict[str, Any]:
        """`dbutils`, `spark`, `display` and their like."""
        return current()
