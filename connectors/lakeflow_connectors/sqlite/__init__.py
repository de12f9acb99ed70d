"""A table of a SQLite database, read by a cursor column."""

from lakeflow_connectors.sqlite.connector import SqliteConnector

__all__ = ["SqliteConnector"]
