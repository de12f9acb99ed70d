"""The protocol keeps its promises in every state of these scenarios; without a rule it does not."""

from __future__ import annotations

from functools import partial

import pytest

from tests.model import columns, request, slot
from tests.model.batch import Model
from tests.model.explorer import Found, explore
from tests.model.world import Bounds, World

SCENARIOS = {
    "S1, kills and an edit": Bounds(rows=2, updates=2, kills=2, edits=1),
    "S1, power loss": Bounds(rows=2, updates=2, kills=1, losses=1, edits=1),
    "S1, conflicts": Bounds(updates=2, kills=1, edits=1, strict=True, compactions=1),
    "S2, two flows": Bounds(flows=2, updates=1, kills=1),
    "S4, full refresh": Bounds(rows=2, updates=2, kills=1, edits=1, refreshes=1),
    "S4, twice": Bounds(updates=3, kills=1, refreshes=2),
    "S6, zombies": Bounds(updates=2, edits=1, expiring=True),
    "S6, zombies and a refresh": Bounds(updates=2, refreshes=1, expiring=True),
    "S6, two refreshes at once": Bounds(updates=2, refreshes=2, expiring=True),
}
FOUND = {
    "no_txn_check": "S1, kills and an edit",
    "no_sync": "S1, power loss",
    "no_finder_sync": "S1, power loss",
    "companions_first": "S1, kills and an edit",
    "recovery_after_user_code": "S1, kills and an edit",
    "no_attempt_number": "S6, zombies",
    "record_in_hand": "S6, zombies",
    "fence_after_listing": "S6, zombies and a refresh",
    "no_fence": "S6, zombies",
    "no_epoch": "S6, zombies and a refresh",
    "ledger_without_comparison": "S2, two flows",
    "ledger_without_sync": "S1, power loss",
    "companions_swapped_first": "S4, full refresh",
    "position_of_intent": "S1, kills and an edit",
}
"""A rule that is left out, and the scenario that shows what it is for."""

HAZARDS = {
    "V1": "record_in_hand",
    "V2": "fence_after_listing",
    "V3": "no_fence",
    "V4": "no_finder_sync",
}
SMALL = {
    ("V5", request, "request_in_memory"),
    ("V6, attached too late", slot, "attached_when_it_reads"),
    ("V6, minimum of some", slot, "selected_only"),
    ("S9", columns, "whole_schema"),
}


def explored(bounds: Bounds) -> Found[World]:
    model = Model(bounds)
    start = World(arrived=0 if bounds.expiring and not bounds.refreshes else 1)
    return explore(start, model.successors, model.check)


@pytest.mark.parametrize("name", SCENARIOS)
def test_promises_are_kept(name: str) -> None:
    found = explored(SCENARIOS[name])
    print(f"{name}: {found.states} states")
    assert found.violation is None, found.trace
    assert found.states > 1000


@pytest.mark.parametrize("mutation", FOUND)
def test_without_a_rule_they_are_not(mutation: str) -> None:
    bounds = SCENARIOS[FOUND[mutation]]
    found = explored(Bounds(**{**_fields(bounds), "mutation": mutation}))
    print(f"{mutation}: {found.violation} after {' '.join(found.trace)}")
    assert found.violation is not None


@pytest.mark.parametrize(("name", "model", "mutation"), sorted(SMALL, key=lambda s: s[0]))
def test_small_scenarios(name: str, model: object, mutation: str) -> None:
    assert explore(model.World(), model.successors, model.check).violation is None
    broken = partial(model.successors, mutation=mutation)
    assert explore(model.World(), broken, model.check).violation is not None


def test_every_hazard_has_a_rule() -> None:
    assert set(HAZARDS.values()) <= set(FOUND)


def _fields(bounds: Bounds) -> dict:
    return {name: getattr(bounds, name) for name in bounds.__dataclass_fields__}
