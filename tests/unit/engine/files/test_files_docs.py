"""The page on files lists every option, with the formats that know it, and every mode."""

from __future__ import annotations

import re
from pathlib import Path

from lakeflow.connect.discovery import find_connector
from lakeflow.core.location import Location
from lakeflow.engine.files.options import EVOLUTION_MODES, FORMATS, KNOWN, LISTING

PAGE = (Path(__file__).parents[4] / "docs" / "files.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| .+ \|$", PAGE, re.MULTILINE)


def test_every_option_is_listed_with_its_formats():
    listed = {name.lower(): set(FORMATS if f == "all" else f.split(", ")) for name, f in ROWS}
    module = __import__(
        type(find_connector("files", Location("", 1))).__module__, fromlist=["LISTING"]
    )
    assert set(listed) == module.LISTING | module.READING
    for name, formats in listed.items():
        known = {form for form in FORMATS if name in KNOWN[form]}
        assert formats == (set(FORMATS) if name in LISTING else known), name


def test_every_mode_is_listed():
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE) == list(EVOLUTION_MODES)
