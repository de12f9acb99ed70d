"""Declarative pipelines, connectors and jobs over Delta tables, on one machine."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`jobs`, `pipelines` and the public names of the latter, loaded when they are asked for."""
    import importlib

    if name in ("jobs", "pipelines"):
        return importlib.import_module(f"lakeflow.{name}")
    pipelines = importlib.import_module("lakeflow.pipelines")
    if name not in pipelines.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(pipelines, name)
