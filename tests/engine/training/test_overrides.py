"""Settings chosen by hand take the place of suggested ones, and the recipe says so."""

from __future__ import annotations

import math

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.training.overrides import overridden
from lora_workbench.engine.training.recipe import suggest


def test_nothing_chosen_leaves_the_suggestion() -> None:
    suggested = suggest("subject", 16)
    assert overridden(suggested, {}) is suggested


def test_chosen_settings_are_named() -> None:
    recipe = overridden(suggest("style", 40), {"steps": 300, "sample_prompts": ("a house", "a bell")})
    assert (recipe.steps, recipe.sample_prompts) == (300, ("a house", "a bell"))
    assert recipe.reason.endswith("Chosen by hand: steps 300, sample_prompts (2).")
    assert recipe.reason.startswith(suggest("style", 40).reason)


def test_alpha_follows_a_rank_chosen_alone() -> None:
    suggested = suggest("subject", 16)
    assert overridden(suggested, {"rank": 4}).alpha == 4 * suggested.alpha / suggested.rank
    assert overridden(suggested, {"rank": 4, "alpha": 1.0}).alpha == 1.0
    assert overridden(suggested, {"alpha": 1.0}).rank == suggested.rank


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rank": 0}, "rank: got 0"),
        ({"learning_rate": math.nan}, "learning_rate: got nan"),
        ({"learning_rate": -0.5}, "learning_rate: got -0.5"),
        ({"steps": 2.5}, "steps: got 2.5"),
        ({"raank": 4}, "did you mean rank?"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match="1 setting") as error:
        overridden(suggest("subject", 16), changes)
    assert told in str(error.value)
