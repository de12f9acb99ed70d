"""Runs the user's Python files and reads the SQL files; what they declare comes back."""

from __future__ import annotations

import hashlib
import sys
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow.core.errors import DefinitionError, DefinitionErrors, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.names import TableName, nearest, split_name
from lakeflow.dialect.parse import parse_file
from lakeflow.dialect.statements import CreateFlow, CreateTable, CreateView, SetOption, UseName
from lakeflow.dialect.text import QueryText
from lakeflow.pipelines.api import DECLARED, PENDING
from lakeflow.pipelines.elements import Dataset, Expectation, Flow, Home, NativeQuery, SqlQuery
from lakeflow.pipelines.properties import DIALECT, is_setting
from lakeflow.pipelines.registry import ListRegistry, registration
from lakeflow.pipelines.spec import Project

LOADED = "lakeflow pipeline"
"""How the names of modules begin that are definition files."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything that the files of a pipeline declare.

    Args:
        datasets: In the order of their declaration.
        flows: Likewise.
        errors: What could not be read. The rest is there all the same, so that its own errors
            can be told together with these.
    """

    datasets: tuple[Dataset, ...]
    flows: tuple[Flow, ...]
    errors: tuple[LakeflowError, ...] = ()


def load(files: Sequence[Path], project: Project) -> Definitions:
    """Loads definition files.

    Args:
        files: Python and SQL files, in order.
        project: Completes names and gives the values of parameters.
    """
    registry = ListRegistry(project.catalog, project.schema)
    errors: list[LakeflowError] = []
    for file in files:
        try:
            if file.suffix == ".sql":
                errors.extend(_load_sql(file, project, registry))
            else:
                load_python(file, registry)
        except DefinitionErrors as found:
            errors.extend(found.errors)
        except LakeflowError as error:
            errors.append(error)
    told = (*registry.errors, *errors)
    return Definitions(tuple(registry.datasets), tuple(registry.flows), told)


def load_python(file: Path, registry: ListRegistry) -> None:
    """Runs a Python file; what it declares goes to the registry, even if it fails further down.

    Raises:
        DefinitionError: It cannot be read, or raises something.
    """
    text = _text(file)
    try:
        code = compile(text, str(file), "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise DefinitionError(
            f"Python cannot read it: {error}.", location=Location(str(file), line)
        ) from error
    module = types.ModuleType(f"{LOADED} {file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses look their annotations up there
    sys.path.insert(0, str(file.parent))
    declared = ListRegistry(registry.catalog, registry.schema)
    try:
        # What a definition file prints is for people; stdout may be read by a program.
        with registration(declared), redirect_stdout(sys.stderr):
            exec(code, module.__dict__)
    except LakeflowError:
        raise
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
        line = frames[-1].lineno if frames and frames[-1].lineno else 1
        raise DefinitionError(
            f"{type(error).__name__} while the file was loaded: {error}",
            location=Location(str(file), line),
            hint=_meant(error),
        ) from error
    finally:
        sys.path.remove(str(file.parent))
        for dataset in declared.datasets:
            registry.register_dataset(dataset)
        for flow in declared.flows:
            query = flow.query
            if isinstance(query, NativeQuery):
                content = hashlib.sha256(text.encode()).hexdigest()
                home = Home(str(file), registry.catalog, registry.schema, content)
                query = replace(query, home=home)
            registry.register_flow(replace(flow, query=query))
        for wrong in declared.errors or _rules_of_nothing(module):
            registry.register_error(wrong)


def _meant(error: BaseException) -> str | None:
    """The attribute of a module that was perhaps meant."""
    if isinstance(error, AttributeError) and isinstance(error.obj, types.ModuleType):
        public = getattr(error.obj, "__all__", None) or dir(error.obj)
        return nearest(str(error.name), public) or None
    return None


def _rules_of_nothing(module: types.ModuleType) -> Iterator[LakeflowError]:
    """Expectations of functions that declare no dataset."""
    for value in list(vars(module).values()):
        if isinstance(value, types.FunctionType) and not hasattr(value, DECLARED):
            rules = getattr(value, PENDING, ())
            if rules and value.__globals__ is vars(module):
                yield DefinitionError(
                    f"{value.__name__} has expectations and declares no dataset.",
                    location=rules[0].location,
                    hint="Add a decorator such as @table.",
                )


def _load_sql(file: Path, project: Project, registry: ListRegistry) -> tuple[LakeflowError, ...]:
    parsed = parse_file(_text(file), str(file), project.configuration)
    catalog, schema = project.catalog, project.schema
    settings: dict[str, str] = {}
    for statement in parsed.statements:
        match statement:
            case SetOption(name=name, value=value) if is_setting(name):
                settings[name] = value
            case UseName(kind="catalog", name=name):
                catalog, schema = split_name(name)[0], project.schema
            case UseName(name=name):
                *above, schema = split_name(name)
                catalog = above[0] if above else catalog
            case CreateTable() | CreateView():
                _add_table(statement, catalog, schema, settings, registry)
            case CreateFlow():
                target = _complete(statement.target, catalog, schema)
                registry.register_flow(
                    Flow(
                        split_name(statement.name)[-1],
                        target,
                        _query(statement.query, settings),
                        statement.location,
                        statement.comment,
                        dict(settings),
                    )
                )
    return parsed.errors


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(
            f"It cannot be read: {error}.",
            location=Location(str(file), 1),
            hint="Definition files are UTF-8 text.",
        ) from error


def _add_table(
    statement: CreateTable | CreateView,
    catalog: str,
    schema: str,
    settings: Mapping[str, str],
    registry: ListRegistry,
) -> None:
    name = _complete(statement.name, catalog, schema)
    dataset = Dataset(
        name,
        statement.kind if isinstance(statement, CreateTable) else "temporary_view",
        statement.location,
        comment=statement.comment,
        properties=statement.properties,
        expectations=tuple(
            Expectation(rule.name, rule.predicate.text, rule.violation, rule.predicate.location)
            for rule in statement.expectations
        ),
    )
    if isinstance(statement, CreateTable):
        dataset = replace(
            dataset,
            schema=statement.schema,
            partition_columns=statement.partition_columns,
            cluster_columns=statement.cluster_columns,
        )
    registry.register_dataset(dataset)
    if statement.query is not None:
        registry.register_flow(
            Flow(
                name.short,
                name,
                _query(statement.query, settings),
                statement.location,
                statement.comment,
                dict(settings),
            )
        )


def _query(text: QueryText, settings: Mapping[str, str]) -> SqlQuery:
    if settings.get(DIALECT, "").lower() == "duckdb":
        return SqlQuery(text.text, text.location, dialect="duckdb")
    return SqlQuery(text.text, text.location)


def _complete(text: str, catalog: str, schema: str) -> TableName:
    parts = split_name(text)
    if len(parts) == 2 and parts[0].upper() == "LIVE":
        text = text.split(".", 1)[1]
    return TableName.parse(text, catalog=catalog, schema=schema)
