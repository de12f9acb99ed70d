"""The decorators, through the registry that keeps everything in lists."""

from __future__ import annotations

import pytest

import lakeflow
from lakeflow import pipelines as dp
from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.pipelines.options import OPTIONS
from lakeflow.pipelines.registry import ListRegistry, registration


@pytest.fixture
def registry():
    found = ListRegistry()
    with registration(found):
        yield found


def only_error(registry):
    (error,) = registry.errors
    assert error.location.file == __file__
    return error


def test_a_decorated_function_is_the_function(registry):
    @dp.table
    @dp.expect("positive", "x > 0")
    def doubled(rows):
        return rows * 2

    assert doubled(21) == 42
    (dataset,), (flow,) = registry.datasets, registry.flows
    assert (str(dataset.name), dataset.kind) == ("main.default.doubled", None)
    assert (flow.name, flow.target) == ("doubled", dataset.name)
    assert [parameter.name for parameter in flow.query.parameters] == ["rows"]


@pytest.mark.parametrize(
    ("decorator", "kind"),
    [
        ("table", None),
        ("materialized_view", "materialized_view"),
        ("temporary_view", "temporary_view"),
        ("view", "temporary_view"),
    ],
)
def test_every_decorator_with_and_without_parentheses(registry, decorator, kind):
    decorator = getattr(dp, decorator)

    @decorator
    def bare(): ...

    @decorator(name="named", comment="said")
    def called(): ...

    assert [(d.name.table, d.kind, d.comment) for d in registry.datasets] == [
        ("bare", kind, None),
        ("named", kind, "said"),
    ]
    assert [flow.location.line for flow in registry.flows] == [
        function.__code__.co_firstlineno for function in (bare, called)
    ]


def test_expectations_above_and_below_the_decorator_in_the_order_of_their_lines(registry):
    @dp.expect("a", "1")
    @dp.expect_all_or_drop({"b": "2", "c": "3"})
    @dp.table
    @dp.expect_or_fail("d", "4")
    @dp.expect_all_or_quarantine({"e": "5"})
    @dp.expect_or_quarantine("f", "6")
    @dp.expect_or_drop("g", "7")
    @dp.expect_all({"h": "8"})
    @dp.expect_all_or_fail({"i": "9"})
    def rules(): ...

    (dataset,) = registry.datasets
    assert [(r.name, r.condition, r.violation) for r in dataset.expectations] == [
        ("a", "1", "warn"),
        ("b", "2", "drop"),
        ("c", "3", "drop"),
        ("d", "4", "fail"),
        ("e", "5", "quarantine"),
        ("f", "6", "quarantine"),
        ("g", "7", "drop"),
        ("h", "8", "warn"),
        ("i", "9", "fail"),
    ]


def test_flows_and_a_table_that_only_they_fill(registry):
    dp.create_streaming_table(
        "all_orders", comment="of all shops", expect_all_or_drop={"has id": "id IS NOT NULL"}
    )
    for shop in ("north", "south"):

        @dp.append_flow(target="all_orders", name=f"orders_{shop}")
        def orders(shop=shop):
            return dp.sql(f"SELECT * FROM STREAM {shop}")

    (dataset,) = registry.datasets
    assert dataset.kind == "streaming_table"
    assert [rule.violation for rule in dataset.expectations] == ["drop"]
    assert [flow.name for flow in registry.flows] == ["orders_north", "orders_south"]
    texts = [flow.query.function().text for flow in registry.flows]
    assert texts == ["SELECT * FROM STREAM north", "SELECT * FROM STREAM south"]
    assert all(flow.query.inputs == () for flow in registry.flows), "defaults are no datasets"


def test_names_are_completed_as_the_project_says():
    registry = ListRegistry("shop", "raw")
    with registration(registry):

        @dp.table
        def orders(): ...

        @dp.table(name="clean.orders")
        def clean(): ...

    assert [str(d.name) for d in registry.datasets] == ["shop.raw.orders", "shop.clean.orders"]


def test_inputs_of_a_function(registry):
    @dp.table
    def joined(
        plain,
        whole: "pl.DataFrame",  # noqa: F821, UP037
        other: "pyarrow.Table" = dp.read("raw.orders"),  # noqa: B008, F821, UP037
        new=dp.read_stream("clicks", kind=Kind),  # noqa: B008
        limit=10,
    ): ...

    assert registry.errors == []
    (flow,) = registry.flows
    assert [
        (p.name, p.annotation, p.query and (p.query.dataset, p.query.streaming))
        for p in flow.query.inputs
    ] == [
        ("plain", None, None),
        ("whole", "polars.DataFrame", None),
        ("other", "pyarrow.Table", ("raw.orders", False)),
        ("new", "pyarrow.RecordBatchReader", ("clicks", True)),
    ]


class Kind:
    """Looks like an Arrow reader, without importing Arrow."""


Kind.__module__, Kind.__qualname__ = "pyarrow.lib", "RecordBatchReader"


VALUES = {"text": 3, "texts": "id", "mapping": ["id"]}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.name}-{option.of[0]}")
def test_every_option_of_every_decorator(registry, option):
    for decorator in option.of:
        registry.errors.clear()
        given = {"target": "t"} if decorator == "append_flow" else {}
        given[option.name] = VALUES[option.shape]
        if decorator == "create_streaming_table":
            dp.create_streaming_table(**{"name": "t", **given})
        else:
            getattr(dp, decorator)(**given)(lambda: None)
        error = only_error(registry)
        if option.status == "refused":
            assert isinstance(error, UnsupportedError)
            assert option.name in error.message
            assert error.hint == option.hint != ""
        else:
            assert error.condition == "NOT_EXPECTED_TYPE"
            assert option.name in error.message


@pytest.mark.parametrize(
    ("declare", "message", "condition"),
    [
        (lambda f: dp.table(nme="x")(f), "nme is not an option of table", None),
        (lambda f: dp.temporary_view(schema="x INT")(f), "schema is not an option", None),
        (lambda f: dp.table("x"), "options by name", "DECORATOR_ARGUMENT_NOT_CALLABLE"),
        (lambda f: dp.table(lambda: None), "without a name", None),
        (lambda f: dp.table(format="parquet")(f), "parquet", None),
        (lambda f: dp.table(schema="x NOSUCHTYPE")(f), "NOSUCHTYPE", "UNSUPPORTED_DATATYPE"),
        (
            lambda f: dp.view(name="a.b")(f),
            "several parts",
            "MULTIPART_TEMPORARY_VIEW_NAME_NOT_SUPPORTED",
        ),
        (
            lambda f: dp.append_flow(target="t", name="a.b")(f),
            "several parts",
            "MULTIPART_FLOW_NAME_NOT_SUPPORTED",
        ),
        (
            lambda f: dp.table(partition_cols=["a"], cluster_by=["b"])(f),
            "partitioned or clustered",
            "SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
        ),
        (
            lambda f: dp.append_flow(target="t")(dp.expect("a", "b")(f)),
            "expectations belong to the table",
            None,
        ),
        (
            lambda f: dp.expect("a", "b")(dp.append_flow(target="t")(f)),
            "expectations belong to the table",
            None,
        ),
        (lambda f: dp.expect("a", 1 > 0)(f), "dict of str to str", "NOT_EXPECTED_TYPE"),
        (lambda f: dp.expect_all(["a"])(f), "dict of str to str", "NOT_EXPECTED_TYPE"),
    ],
    ids=map(str, range(13)),
)
def test_wrong_declarations(registry, declare, message, condition):
    def declared():
        return dp.sql("SELECT 1 AS x")

    declare(declared)
    error = only_error(registry)
    assert message in error.message
    assert error.condition == condition


def test_outside_of_a_pipeline_a_wrong_declaration_raises_and_a_right_one_declares_nothing():
    @dp.table
    def right(): ...

    assert right() is None
    with pytest.raises(DefinitionError, match="nme is not an option of table"):
        dp.table(nme="x")(right)


def test_everything_wrong_in_a_file_is_told_at_once(tmp_path):
    file = tmp_path / "pipe.py"
    file.write_text(
        "from lakeflow import pipelines as dp\n"
        "@dp.table(nme='x')\n"
        "def a(): ...\n"
        "@dp.materialized_view\n"
        "def b(): return dp.sql('SELECT nope FROM c')\n"
        "@dp.materialized_view\n"
        "def c(): return dp.sql('SELECT 1 AS x')\n"
        "@dp.materialized_view\n"
        "def d(): ...\n"
        "@dp.expect('rule', 'x > 1')\n"
        "def e(): ...\n"
        "dp.create_streaming_table('f', row_filter='x')\n"
    )
    session = Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))
    with pytest.raises(DefinitionError) as raised:
        session.plan(file)
    told = {error.location.line: error.message.split(".")[0] for error in raised.value.errors}
    assert set(told) == {2, 4, 8, 12} or set(told) == {2, 5, 8, 12}
    assert told[8] == "d returns nothing (None)"
    file.write_text(
        file.read_text()
        .split("dp.create")[0]
        .replace("(nme='x')", "")
        .replace("def a(): ...", "def a(): return dp.sql('SELECT 1 AS x')")
    )
    with pytest.raises(DefinitionError) as raised:
        session.plan(file)
    assert "e has expectations and declares no dataset." in str(raised.value)


def test_the_same_names_from_the_package_itself():
    for name in dp.__all__:
        assert getattr(lakeflow, name) is getattr(dp, name)
    with pytest.raises(AttributeError, match="no attribute 'tabel'"):
        _ = lakeflow.tabel
