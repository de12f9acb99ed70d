"""Files of a folder: each is read once."""

from lakeflow_connectors.files.connector import FilesConnector

__all__ = ["FilesConnector"]
