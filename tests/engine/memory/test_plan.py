"""From what a step needs to what is done about it."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.memory.demand import Demand
from lora_workbench.engine.memory.plan import MemoryPlan, planned, usable
from lora_workbench.engine.training.recipe import Recipe

GB = 1_000_000_000
DEMAND = Demand(activations=10 * GB, optimizer=GB, blocks={"a": GB, "b": 4 * GB, "c": 2 * GB})


def test_the_blocks_that_keep_the_most_come_first() -> None:
    assert DEMAND.largest_blocks(2) == ("b", "c")


def test_what_one_block_keeps_is_there_while_it_is_computed_again() -> None:
    needed = [DEMAND.checkpointed(number) // GB for number in range(4)]
    assert needed == [11, 11, 9, 8]


@pytest.mark.parametrize(("free", "number", "fits"), [(20, 0, True), (10.5, 2, True), (9, 3, True), (8, 3, False)])
def test_auto_takes_as_few_as_the_free_memory_needs(free: float, number: int, fits: bool) -> None:
    plan = planned("auto", DEMAND, round(free * GB))
    assert (plan.checkpointed, plan.fits) == (number, fits)
    assert (plan.needed or 0) <= usable(round(free * GB)) or not fits
    assert ("use smaller pictures" in str(plan)) != fits


def test_nothing_is_done_on_devices_that_do_not_tell() -> None:
    assert planned("auto", DEMAND, None).checkpointed == 0


@pytest.mark.parametrize(("setting", "number"), [("none", 0), ("all", 3), ("2", 2), ("99", 3)])
def test_choices_by_hand(setting: str, number: int) -> None:
    plan = planned(setting, DEMAND, GB)
    assert (plan.checkpointed, plan.by_hand) == (number, True)


@pytest.mark.parametrize("setting", ["", "half", "-1", "1.5"])
def test_other_choices_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="auto, none, all or a number"):
        Recipe.of(checkpointing=setting)


def test_smaller_plans_end() -> None:
    plan, seen = MemoryPlan(checkpointed=0, blocks=10), []
    while (smaller := plan.smaller) is not None:
        plan = smaller
        seen.append(plan.checkpointed)
    assert seen == [2, 4, 6, 8, 10]
