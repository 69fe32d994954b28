"""From what a step needs to what is done about it."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.memory.demand import Demand
from lora_workbench.engine.memory.plan import MemoryPlan, planned, usable
from lora_workbench.engine.training.recipe import Recipe

GB = 1_000_000_000
DEMAND = Demand(
    activations=10 * GB, optimizer=GB, blocks={"a": GB, "b": 4 * GB, "c": 2 * GB},
    weights={"a": GB, "b": GB, "c": 3 * GB},
)  # fmt: skip


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


@pytest.mark.parametrize(("free", "streamed", "fits"), [(9, 0, True), (8.5, 3, False), (0.1, 3, False)])
def test_weights_are_streamed_only_where_nothing_else_fits(free: float, streamed: int, fits: bool) -> None:
    """Of three blocks the copies of the two largest stay, so that little is gained here."""
    plan = planned("auto", DEMAND, round(free * GB), "auto")
    assert (plan.streamed, plan.fits) == (streamed, fits)


def test_many_streamed_blocks_need_less() -> None:
    blocks = {str(number): GB // 10 for number in range(40)}
    demand = Demand(activations=10 * GB, optimizer=0, blocks=blocks, weights=dict.fromkeys(blocks, GB // 4))
    plan = planned("auto", demand, round(3.9 * GB), "auto")
    assert (plan.checkpointed, plan.streamed, plan.fits) == (40, 13, True)
    assert plan.needed == demand.streamed(13) <= usable(round(3.9 * GB)) < demand.streamed(12)


def test_streamed_blocks_are_checkpointed_too() -> None:
    plan = planned("none", DEMAND, GB, "2")
    assert (plan.checkpointed, plan.streamed) == (2, 2)
    assert "the weights of 2 stream in from host memory" in str(plan)


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
