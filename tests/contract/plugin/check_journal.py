"""What the plugin's author writes to be given the contract suite; `test_plugin.py` runs it."""

from __future__ import annotations

import json

import pytest
from journal_connector import JournalConnector

from lakeflow.connect.contract import ConnectorContract
from lakeflow.connect.source import Limit


class JournalSubject:
    connector = JournalConnector()
    secrets = ("hush",)

    def __init__(self, folder):
        self.options = {"path": str(folder), "token": "hush"}
        (folder / "token").write_text("hush")
        self._journal = folder / "journal.jsonl"
        self._added = 0

    def add(self, count):
        with self._journal.open("a") as file:
            for _ in range(count):
                self._added += 1
                file.write(json.dumps({"n": self._added, "said": "so"}) + "\n")

    def limit(self, count):
        return Limit(max_rows=count)


class TestJournal(ConnectorContract):
    @pytest.fixture
    def subject(self, tmp_path):
        return JournalSubject(tmp_path)
