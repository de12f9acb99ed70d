"""The executed copy of a notebook as a page that stands alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

_STYLE = (
    "body{font:14px system-ui;max-width:60em;margin:2em auto}"
    "pre{background:#f4f4f4;padding:.6em;overflow:auto}pre.output{background:none}"
)


def views_of(folder: Path) -> list[dict[str, str]]:
    """The notebooks that an attempt has run, each as a view of the API.

    Args:
        folder: Of the attempt.
    """
    return [
        {"type": "NOTEBOOK", "name": path.stem, "content": page(path.stem, path.read_text())}
        for path in sorted(folder.glob("*.ipynb"))
    ]


def page(name: str, text: str) -> str:
    """A notebook as HTML; nothing in it is run when it is looked at.

    Args:
        name: Its title.
        text: JSON of the notebook.

    Example:
        >>> cell = {"cell_type": "code", "source": ["1 < 2"], "outputs": []}
        >>> "<pre>1 &lt; 2</pre>" in page("n", json.dumps({"cells": [cell]}))
        True
    """
    cells = json.loads(text).get("cells", [])
    shown = "\n".join(part for cell in cells for part in _parts(cell))
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{shown}\n</body></html>"
    )


def _parts(cell: Mapping[str, Any]) -> Iterable[str]:
    yield f"<pre>{escape(_text(cell.get('source', '')))}</pre>"
    for output in cell.get("outputs", ()):
        data = output.get("data") or {}
        said = output.get("text") or data.get("text/plain") or output.get("traceback") or ""
        yield f'<pre class="output">{escape(_text(said))}</pre>'


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "".join(str(each) for each in value)
