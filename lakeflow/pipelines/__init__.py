"""What users write: datasets, flows and expectations, and the graph they form."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakeflow.pipelines.api import (
        append_flow,
        create_streaming_table,
        materialized_view,
        table,
        temporary_view,
        view,
    )
    from lakeflow.pipelines.expectations import (
        expect,
        expect_all,
        expect_all_or_drop,
        expect_all_or_fail,
        expect_all_or_quarantine,
        expect_or_drop,
        expect_or_fail,
        expect_or_quarantine,
    )
    from lakeflow.pipelines.queries import read, read_stream, sql

__all__ = [
    "append_flow",
    "create_streaming_table",
    "expect",
    "expect_all",
    "expect_all_or_drop",
    "expect_all_or_fail",
    "expect_all_or_quarantine",
    "expect_or_drop",
    "expect_or_fail",
    "expect_or_quarantine",
    "materialized_view",
    "read",
    "read_stream",
    "sql",
    "table",
    "temporary_view",
    "view",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )
    import importlib

    home = "expectations" if name.startswith("expect") else "api"
    if name in ("read", "read_stream", "sql"):
        home = "queries"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
