"""Reading a file scan: inference and evolution of its schema, rescued data, `_metadata`."""

from lakeflow.engine.files.reading import read, relation

__all__ = ["read", "relation"]
