"""Bundles: which value wins, what a target makes of them, and how what is wrong is told."""

from __future__ import annotations

import json
import subprocess

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.bundle.git import read_checkout
from lakeflow.jobs.definitions.bundle.load import load_bundle

ALONE = {"USER": "ada"}


@pytest.fixture
def bundle(tmp_path):
    """Writes files and loads the bundle that they are."""

    def load(files, target=None, variables=None, **environment):
        files = {"databricks.yml": files} if isinstance(files, str) else files
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load_bundle(tmp_path, target, variables or {}, {**ALONE, **environment})

    return load


@pytest.fixture
def refused(bundle, tmp_path):
    """What is said of a bundle that cannot be read, its folder left out."""

    def load(*arguments, **named):
        with pytest.raises(ConfigurationError) as caught:
            bundle(*arguments, **named)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return load


SOURCES = """\
bundle: {name: b}
variables:
  x: {default: from the default}
resources:
  jobs: {j: {name: "${var.x}"}}
targets:
  dev: {variables: {x: from the target}}
  bare: {}
"""


def test_the_strongest_source_of_a_variable_wins(bundle):
    def name(*arguments, **environment):
        return bundle(SOURCES, *arguments, **environment).jobs["j"].settings["name"]

    assert name("bare") == "from the default"
    assert name("dev") == "from the target"
    overrides = {".databricks/bundle/dev/variable-overrides.json": '{"x": "from the file"}'}
    bundle({"databricks.yml": SOURCES, **overrides}, "dev")
    assert name("dev") == "from the file"
    assert name("bare") == "from the default"
    assert name("dev", BUNDLE_VAR_x="from outside") == "from outside"
    assert name("dev", {"x": "given"}, BUNDLE_VAR_x="from outside") == "given"


def test_a_value_from_outside_takes_the_type_of_the_default(bundle):
    text = """\
bundle: {name: b}
variables:
  number: {default: 1}
  flag: {default: false}
  text: {default: "1"}
  open: {}
  cluster: {type: complex, default: {}}
resources:
  dashboards:
    d: {a: "${var.number}", b: "${var.flag}", c: "${var.text}", d: "${var.open}",
        e: "${var.cluster}"}
"""
    given = {"number": "7", "flag": "true", "text": "8", "open": "9", "cluster": '{"n": [1]}'}
    found = bundle(text, variables=given).others["dashboards"]["d"].settings
    assert found == {"a": 7, "b": True, "c": "8", "d": "9", "e": {"n": [1]}}


def test_a_target_may_change_a_declaration_or_only_give_a_value(bundle):
    text = """\
bundle: {name: b}
variables:
  a: {type: complex, default: {n: 1, m: 2}}
  b: {default: x}
  c: {default: x}
resources:
  dashboards: {d: {a: "${var.a}", b: "${var.b}", c: "${var.c}"}}
targets:
  t:
    variables:
      a: {n: 3}
      b: {default: y}
      c: {lookup: {cluster: Shared}}
"""
    declared = bundle(text)
    found = declared.others["dashboards"]["d"].settings
    assert found == {"a": {"n": 3}, "b": "y", "c": "${var.c}"}
    assert (declared.lookups["c"].kind, declared.lookups["c"].name) == ("cluster", "Shared")


def test_a_value_from_outside_ends_a_lookup(bundle):
    text = "bundle: {name: b}\nvariables: {w: {lookup: {warehouse: W}}}\n"
    assert bundle(text, variables={"w": "id"}).lookups == {}


def test_the_target_is_the_named_one_the_default_or_the_only_one(bundle):
    text = "bundle: {name: b}\ntargets: {a: {}, b: {default: true}, c: }\n"
    assert bundle(text).target == "b"
    assert bundle(text, "c").target == "c"
    assert bundle("bundle: {name: b}\ntargets: {a: {}}\n").target == "a"
    assert bundle("bundle: {name: b}").target == "default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "databricks.yml:1: The bundle has no name."),
        ("- a", "databricks.yml:1: The file is not a mapping of keys to values."),
        ("bundle: {name: b}\nbundle: {}", "databricks.yml:2: The key bundle is here twice."),
        ("bundle: {name: b}\nresources: [1]", "databricks.yml:2: resources is not a mapping"),
        (
            "bundle: {name: b}\nresources:\n  jobs:\n    j:\n      tasks: {a: 1}",
            "databricks.yml:5: resources.jobs.j.tasks is not a list.",
        ),
        (
            "bundle: {name: b}\nresources:\n  jobs:\n    j:\n      queue: {enabled: yes}",
            "databricks.yml:5: resources.jobs.j.queue.enabled is not true or false.",
        ),
        (
            "bundle: {name: b}\nresources:\n  pipelines:\n    p: {name: [a]}",
            "databricks.yml:4: resources.pipelines.p.name is not a text.",
        ),
        (
            "bundle: {name: b}\nresources:\n  jobs:\n    j: {timeout_seconds: true}",
            "databricks.yml:4: resources.jobs.j.timeout_seconds is not a whole number.",
        ),
        (
            "bundle: {name: b}\nresources:\n  jobs:\n    j: text",
            "databricks.yml:4: resources.jobs.j is not a mapping",
        ),
        (
            (
                'bundle: {name: b}\nresources:\n  jobs: {j: {name: "${var.regoin}"}}\n'
                "variables: {region: {default: eu}}"
            ),
            "databricks.yml:3: There is no variable regoin.\n  Did you mean 'region'?",
        ),
        (
            'bundle: {name: b}\nresources:\n  jobs: {a: {name: "${resources.jobs.bb.id}"}, b: {}}',
            "databricks.yml:3: ${resources.jobs.bb.id} leads nowhere: resources.jobs has no bb.",
        ),
        (
            'bundle: {name: "${workspace.user}"}',
            "databricks.yml:1: ${workspace.user} leads nowhere: workspace has no user.",
        ),
        (
            (
                'bundle: {name: b}\nvariables:\n  a: {default: "${var.b}"}\n'
                '  b: {default: "x${var.a}"}\nresources: {jobs: {j: {name: "${var.a}"}}}'
            ),
            "databricks.yml:4: References lead back to themselves: var.a -> var.b -> var.a.",
        ),
        (
            (
                "bundle: {name: b}\nresources:\n  schemas:\n    a:\n"
                '      name: "${resources.schemas.b.name}"\n'
                '    b:\n      name: "${resources.schemas.a.name}"'
            ),
            "References lead back to themselves: resources.schemas.",
        ),
        (
            (
                "bundle: {name: b}\nvariables: {l: {default: [1]}}\nresources:\n  jobs: {j: {name: "
                '"x ${var.l}"}}'
            ),
            "databricks.yml:4: ${var.l} is a list, which cannot be part of a text.",
        ),
        (
            "bundle: {name: b}\nvariables:\n  x: {description: needed}",
            "databricks.yml:3: The variable x has no value.\n  Give it a default, --var x=...",
        ),
        (
            "bundle: {name: b}\nvariables:\n  x: {lookup: {wharehouse: W}}",
            "databricks.yml:3: wharehouse cannot be looked up.\n  Did you mean 'warehouse'?",
        ),
        (
            "bundle: {name: b}\ntargets:\n  dev:\n    mode: developement",
            "databricks.yml:4: 'developement' is no mode.\n  Did you mean 'development'?",
        ),
        (
            "bundle: {name: b}\ntargets: {a: {}, b: {}}",
            "None of the targets is the default.\n  Name one of a, b",
        ),
        (
            "bundle: {name: b}\ntargets: {a: {default: true}, b: {default: true}}",
            "a and b are both the default target.",
        ),
        (
            "bundle: {name: b}\ninclude:\n  - resources.yml",
            "databricks.yml:3: There is no file resources.yml.",
        ),
        (
            (
                "bundle: {name: b}\ntargets: {p: {mode: production}}\nresources:\n  pipelines:\n"
                "    p: {development: true}"
            ),
            "databricks.yml:5: The pipeline p is in development and its target in production.",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(refused, text, said):
    assert said in refused(text)


def test_a_target_that_is_not_there(refused):
    assert "There is no target prd.\n  Did you mean 'prod'?" in refused(
        "bundle: {name: b}\ntargets: {prod: {}}", "prd"
    )


def test_a_given_variable_that_is_not_declared(refused):
    said = refused(SOURCES, "dev", {"xx": "1"})
    assert said.startswith("--var xx:1: There is no variable xx.")


def test_overrides_that_are_no_json(refused):
    files = {
        "databricks.yml": SOURCES,
        ".databricks/bundle/dev/variable-overrides.json": '{\n"x": }',
    }
    said = refused(files, "dev")
    assert said.startswith(".databricks/bundle/dev/variable-overrides.json:2: It is not valid JSON")


TWO = {
    "databricks.yml": "bundle: {name: b}\ninclude: ['*.yml', a.yml]",
    "a.yml": "resources: {jobs: {j: {name: a}}}",
    "b.yml": "resources:\n  jobs:\n    j: {name: b}",
}


def test_what_two_files_declare_is_refused_with_both_places(refused, tmp_path):
    said = refused(TWO)
    assert said.startswith("b.yml:3: resources.jobs.j is declared in two files.")
    assert "It is first in a.yml:1" in said


def test_what_is_odd_about_includes_is_told(bundle):
    files = {
        "databricks.yml": (
            "bundle: {name: b}\ninclude: ['r/*', 'none/*.yml']\nrun_as: {user_name: a}"
        ),
        "r/notes.md": "hello",
        "r/a.yml": "include: [x.yml]\nrun_as: {user_name: b}",
    }
    said = "\n".join(map(str, bundle(files).warnings))
    assert "notes.md is included but does not end in" in said
    assert "No file fits none/*.yml." in said
    assert "include is read in the first file only." in said
    assert "run_as takes the place of another value." in said


PAUSES = """\
bundle: {name: b}
resources:
  jobs:
    plain: {schedule: {timezone_id: UTC}}
    awake: {schedule: {pause_status: UNPAUSED}, max_concurrent_runs: 1}
    many: {triggers: [{periodic: {interval: 1}}, {schedule: {pause_status: UNPAUSED}}]}
targets:
  dev: {mode: development}
  open: {mode: development, presets: {trigger_pause_status: UNPAUSED, name_prefix: "x "}}
  prod: {mode: production}
"""


def test_a_job_wins_over_a_preset_and_a_preset_over_the_mode(bundle):
    def found(target):
        jobs = bundle(PAUSES, target).jobs
        return [
            jobs["plain"].settings["schedule"].get("pause_status"),
            jobs["awake"].settings["schedule"].get("pause_status"),
            jobs["plain"].settings.get("max_concurrent_runs"),
            jobs["awake"].settings.get("max_concurrent_runs"),
        ]

    assert found("dev") == ["PAUSED", "UNPAUSED", 4, 1]
    assert found("open") == ["UNPAUSED", "UNPAUSED", 4, 1]
    assert found("prod") == [None, "UNPAUSED", None, 1]
    triggers = bundle(PAUSES, "dev").jobs["many"].settings["triggers"]
    assert triggers[0]["pause_status"] == "PAUSED"
    assert triggers[1] == {"schedule": {"pause_status": "UNPAUSED"}}


def test_production_comes_from_its_branch(bundle, refused, tmp_path):
    text = "bundle: {name: b}\ntargets:\n  p: {mode: production, git: {branch: main}}\n"
    bundle(text)
    for words in (
        ["init", "-q", "-b", "work"],
        ["remote", "add", "origin", "https://git.example/b"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert "Production comes from the branch main, and work is checked out." in refused(text)
    checkout = read_checkout(tmp_path / "deeper")
    assert (checkout.branch, checkout.origin_url) == ("work", "https://git.example/b")


def test_what_git_says_is_what_its_files_say(tmp_path):
    def git(*words, cwd=tmp_path):
        named = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", *named, *words], cwd=cwd, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert read_checkout(tmp_path).commit == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert read_checkout(tmp_path).commit == git("rev-parse", "HEAD")
    git("worktree", "add", "-q", "-b", "side/one", "other")
    assert read_checkout(tmp_path / "other").branch == "side/one"
    assert read_checkout(tmp_path / "other").commit == git("rev-parse", "HEAD")
    git("checkout", "-q", "--detach")
    assert read_checkout(tmp_path).branch == ""
    assert read_checkout(tmp_path).commit == git("rev-parse", "HEAD")


def test_places_of_the_workspace_follow_each_other(bundle):
    text = "bundle: {name: b}\nworkspace: {root_path: '/Shared/${bundle.name}/${bundle.target}'}"
    found = bundle(text, DATABRICKS_HOST="https://x").workspace
    assert found["file_path"] == "/Shared/b/default/files"
    assert found["host"] == "https://x"
    assert found["current_user"]["userName"] == "ada"


def test_python_resources_are_told(bundle):
    text = "bundle: {name: b}\npython: {resources: ['resources:load']}"
    assert "are not read" in str(bundle(text).warnings[0])


def test_settings_are_json(bundle):
    text = "bundle: {name: b}\nresources: {jobs: {j: {name: 1, tags: {a: 1.50}}}}"
    found = bundle(text).jobs["j"].settings
    assert json.loads(json.dumps(found)) == found == {"name": "1", "tags": {"a": "1.50"}}


def test_a_resource_may_speak_of_itself(bundle):
    text = 'bundle: {name: b}\nresources: {jobs: {j: {tags: {me: "${resources.jobs.j.id}"}}}}'
    assert bundle(text).jobs["j"].references == frozenset()
