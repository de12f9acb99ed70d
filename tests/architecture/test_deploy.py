"""The files for systemd and containers say what the command line understands."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from lakeflow.cli.options import Invocation
from lakeflow.cli.serve import command
from lakeflow.core.settings import Settings


def parsed(words):
    """The options of a call of `lakeflow serve`, as click understands them."""
    program, name, *options = words
    assert program.endswith("/bin/lakeflow")
    assert name == "serve"
    return command.make_context("serve", options, obj=Invocation()).params


@pytest.fixture
def unit(root):
    text = (root / "deploy/lakeflow.service").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split("=", 1)) for line in lines if "=" in line]


def test_the_unit_calls_the_server(unit):
    (call,) = (value for name, value in unit if name == "ExecStart")
    found = parsed(shlex.split(call))
    assert found["home"] == "/var/lib/lakeflow/home"
    assert found["host"] == "127.0.0.1", "other machines only reach it by a proxy or with TLS"
    assert found["json"]


def test_the_unit_sets_what_is_a_setting(unit):
    variables = dict(value.split("=", 1) for name, value in unit if name == "Environment")
    assert variables
    Settings.load(variables)


def test_a_word_that_is_no_option_would_be_noticed():
    with pytest.raises(Exception, match="No such option"):
        parsed(["/bin/lakeflow", "serve", "--hom", "x"])


def test_the_container_calls_the_server(root):
    text = (root / "deploy/Containerfile").read_text()
    (call,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    found = parsed(json.loads(call))
    (kept,) = re.findall(r"^VOLUME (\S+)$", text, re.MULTILINE)
    assert found["home"].startswith(f"{kept}/")
    assert found["lakehouse"].startswith(f"{kept}/")
