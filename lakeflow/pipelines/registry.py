"""Where declarations go while a user's file is loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lakeflow.core.errors import LakeflowError
from lakeflow.core.names import DEFAULT_CATALOG, DEFAULT_SCHEMA, TableName
from lakeflow.pipelines.elements import Dataset, Flow


class Registry(ABC):
    """Takes what the decorators declare.

    Args:
        catalog: Of names that do not say one.
        schema: Likewise.
    """

    def __init__(self, catalog: str = DEFAULT_CATALOG, schema: str = DEFAULT_SCHEMA) -> None:
        self.catalog = catalog
        self.schema = schema

    def complete(self, name: str) -> TableName:
        """A name with all its parts."""
        return TableName.parse(name, catalog=self.catalog, schema=self.schema)

    @abstractmethod
    def register_dataset(self, dataset: Dataset) -> None:
        """Takes a dataset; one of the same name and place takes the place of the earlier one."""

    @abstractmethod
    def register_flow(self, flow: Flow) -> None:
        """Takes a flow."""

    @abstractmethod
    def register_error(self, error: LakeflowError) -> None:
        """Takes what is wrong with a declaration; it was not registered."""


class ListRegistry(Registry):
    """Keeps declarations in lists: for loading, and as the fake in tests."""

    def __init__(self, catalog: str = DEFAULT_CATALOG, schema: str = DEFAULT_SCHEMA) -> None:
        super().__init__(catalog, schema)
        self.datasets: list[Dataset] = []
        self.flows: list[Flow] = []
        self.errors: list[LakeflowError] = []

    def register_dataset(self, dataset: Dataset) -> None:
        """Takes a dataset; a decorator that adds expectations declares it once more."""
        for number, known in enumerate(self.datasets):
            if known.name == dataset.name and known.location == dataset.location:
                self.datasets[number] = dataset
                return
        self.datasets.append(dataset)

    def register_flow(self, flow: Flow) -> None:
        """Takes a flow."""
        self.flows.append(flow)

    def register_error(self, error: LakeflowError) -> None:
        """Takes an error."""
        self.errors.append(error)


_active: ContextVar[Registry | None] = ContextVar("registry", default=None)


def active_registry() -> Registry | None:
    """The registry of the file that is being loaded; None outside of loading."""
    return _active.get()


@contextmanager
def registration(registry: Registry) -> Iterator[None]:
    """Declarations made inside go to `registry`."""
    token = _active.set(registry)
    try:
        yield
    finally:
        _active.reset(token)
