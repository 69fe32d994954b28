"""How much is measured: as much as a tenth of the time allows, and never too little to tell anything."""

from __future__ import annotations

import pytest
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.planning import (
    LEAST_PICTURES,
    MOST_DRAWS,
    MOST_PICTURES,
    SHARE,
    measured_steps,
    measuring_plan,
    passes_between,
)  # fmt: skip
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image


@pytest.mark.parametrize("held", [0, 1, 3, 8, 100])
@pytest.mark.parametrize("members", [2, 5, 30, 1000])
@pytest.mark.parametrize("has_classes", [False, True])
def test_a_tenth_of_the_time_is_kept_where_it_does(held: int, members: int, has_classes: bool) -> None:
    before = None
    for passes in (10, 300, 1000, 3000, 10_000, 100_000):
        plan = measuring_plan(held=held, members=members, passes=passes, has_classes=has_classes)
        assert plan.share == pytest.approx(plan.passes / passes)
        assert plan.held <= min(held, MOST_PICTURES) and plan.members <= min(members, MOST_PICTURES)
        assert 1 <= plan.draws <= MOST_DRAWS and plan.drifting <= plan.members
        assert bool(plan.drifting) is has_classes
        assert plan.held >= min(held, LEAST_PICTURES) and plan.members >= min(members, LEAST_PICTURES)
        if plan.is_dear:
            assert plan.held == min(held, LEAST_PICTURES) and plan.members == min(members, LEAST_PICTURES)
            assert plan.draws == 1
        if before:
            assert plan.held >= before.held and plan.members >= before.members, "more room never measures less"
        before = plan


def test_ample_room_measures_all_that_helps() -> None:
    plan = measuring_plan(held=5, members=40, passes=1e6, has_classes=True)
    assert (plan.held, plan.members, plan.draws) == (5, MOST_PICTURES, MOST_DRAWS)


def test_room_that_training_pictures_leave_goes_to_held_out_ones() -> None:
    plan = measuring_plan(held=30, members=3, passes=8 * 20 / SHARE, has_classes=False)
    assert (plan.held, plan.members) == (17, 3)


def test_the_plan_is_told_in_words() -> None:
    plan = measuring_plan(held=6, members=6, passes=960, has_classes=False)
    assert plan.in_words() == (
        "at each snapshot 6 held-out and 6 training pictures are measured, in about 10% of the time of the steps"
    )
    assert "at each snapshot 2 training" in measuring_plan(held=0, members=2, passes=960, has_classes=False).in_words()


def test_snapshots_and_the_last_step_are_measured() -> None:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a thing"], "red")
    assert measured_steps(Recipe.of(steps=100, snapshot_steps=(80, 40, 300)), dataset) == [40, 80, 100]
    assert measured_steps(Recipe.of(steps=100), dataset) == [100]
    assert measured_steps(Recipe.of(steps=100, snapshot_every=50), dataset) == [50, 100]


def test_a_step_is_worth_three_passes_of_each_sample() -> None:
    recipe = Recipe.of(steps=100, snapshot_steps=(25, 50, 75), gradient_accumulation=4)
    assert passes_between(recipe, 4, trained=2, taught=1) == 20 * 4 * 7, "the base model counts as a fifth snapshot"
    assert passes_between(recipe, 4, trained=2, taught=1, processes=3) == 20 * 2 * 7
