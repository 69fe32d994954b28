"""The recipe refuses what can't be trained, and suggests what fits goal, data set and base."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.training.recipe import Recipe, suggest


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigError) as told:
        Recipe(rank=0, learning_rate=float("nan"), steps=-1, schedule="cosin", caption_dropout=1.5)
    for name in ("rank", "learning_rate", "steps", "schedule", "caption_dropout"):
        assert name in str(told.value)


@pytest.mark.parametrize(("goal", "pictures"), [("subject", 0), ("face", 10)])
def test_no_recipe_without_goal_or_pictures(goal, pictures):
    with pytest.raises(ConfigError):
        suggest(goal, pictures)


def test_a_style_gets_more_capacity_and_fewer_views_of_each_picture():
    subject, style = suggest("subject", 16), suggest("style", 80)
    assert style.rank > subject.rank
    assert style.steps / 80 < subject.steps / 16
    assert "16 pictures of a subject" in subject.reason


def test_few_pictures_are_told():
    assert "look at samples early" in suggest("subject", 4).reason
    assert "look at samples early" not in suggest("subject", 12).reason


def test_a_miniature_base_gets_a_high_rate():
    assert (
        suggest("subject", 16, resolution=64).learning_rate > 10 * suggest("subject", 16, resolution=512).learning_rate
    )


def test_the_learning_rate_warms_up_and_decays():
    recipe = Recipe(steps=100, warmup_steps=10, schedule="cosine")
    rates = [recipe.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(rates[9], rel=0.05)
    assert rates[50] == pytest.approx(0.5)
    assert rates[99] < 0.01
    assert [Recipe(steps=4, warmup_steps=0).learning_rate_at(step) for step in range(4)] == [1, 1, 1, 1]
    assert [Recipe(steps=4, warmup_steps=0, schedule="linear").learning_rate_at(s) for s in range(4)] == [
        1,
        0.75,
        0.5,
        0.25,
    ]
