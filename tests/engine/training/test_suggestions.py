"""Recipes fit goal, data set and base model, and say why."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.data.goals import USUAL
from lora_workbench.engine.models.contract import BackboneInfo
from lora_workbench.engine.models.families import flux1, sd1
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.suggestions import suggest, suggestions_for, with_changes


def base(**changes) -> BackboneInfo:
    plain = {
        "traits": sd1.TRAITS, "content_hash": "0", "prediction_type": "epsilon", "latent_channels": 4,
        "latent_factor": 8, "resolution": 512, "target_presets": {}, "text_target_presets": {}, "key_style": "kohya",
    }  # fmt: skip
    return BackboneInfo(**plain | changes)


MINIATURE = base(
    resolution=64, recipe={"learning_rate": 3e-3, "steps": 400, "batch_size": 8}, recipe_reason="It is tiny."
)


@pytest.mark.parametrize(
    ("goal", "pictures", "quality"), [("subject", 0, "draft"), ("face", 10, "draft"), ("style", 9, "x")]
)
def test_no_recipe_without_goal_pictures_or_quality(goal, pictures, quality):
    with pytest.raises(ConfigError):
        suggest(goal, pictures, base(), quality)


def test_a_style_gets_more_capacity_and_fewer_views_of_each_picture():
    subject, style = suggest("subject", 16, base()), suggest("style", 80, base())
    assert style.adapter.rank > subject.adapter.rank
    assert style.schedule.steps / 80 < subject.schedule.steps / 16
    assert "16 pictures of a subject" in subject.reason
    assert subject.batches.resolution == 512


def test_few_pictures_are_pointed_out():
    assert "check samples early" in suggest("subject", 4, base()).reason
    assert "check samples early" not in suggest("subject", 12, base()).reason


def test_what_the_base_model_declares_takes_precedence():
    recipe = suggest("subject", 16, MINIATURE)
    assert (recipe.optimizer.learning_rate, recipe.schedule.steps, recipe.batches.resolution) == (3e-3, 400, 64)
    assert recipe.reason.endswith("It is tiny.")


def test_declared_steps_are_not_rounded():
    assert suggest("subject", 16, base(recipe={"steps": 24})).schedule.steps == 24


def test_quality_decides_how_long():
    steps = [suggest("subject", 16, MINIATURE, quality).schedule.steps for quality in ("draft", "standard", "thorough")]
    assert steps == [200, 400, 600]


def test_chosen_settings_are_named_with_what_they_replace():
    suggested = suggest("style", 40, base())
    recipe = with_changes(suggested, {"steps": 300, "sample_prompts": ("a house", "a bell"), "rank": 32})
    assert (recipe.schedule.steps, recipe.samples.sample_prompts) == (300, ("a house", "a bell"))
    told = "steps 300 (was 600), sample_prompts a house | a bell (was none)"
    assert recipe.reason == f"{suggested.reason} Chosen by hand: {told}."
    assert with_changes(suggested, {}) == suggested


def test_every_published_value_is_a_setting_that_can_be():
    from lora_workbench.engine.models import published
    from lora_workbench.engine.models.published import Published

    recipes = {name: own for name, own in vars(published).items() if isinstance(own, Published)}
    assert len(recipes) > 15
    for own in recipes.values():
        for goal in USUAL:
            Recipe.of(**published.GENERAL.values(goal) | own.values(goal))
            assert all(sourced.source for sourced in own.of(goal).values())
        assert own.goals.keys() <= USUAL.keys()


def test_the_family_decides_and_the_source_is_told():
    flux = base(traits=flux1.DEV, prediction_type="flow", key_style="transformer", resolution=1024)
    recipe = suggest("subject", 16, flux)
    assert recipe.noise.timestep_distribution == "logit_normal"
    assert recipe.captions.caption_dropout == 0.05
    assert "For FLUX.1 dev and Krea: learning_rate 0.0001, timestep_distribution logit_normal" in recipe.reason
    assert "from ai-toolkit's example" in recipe.reason
    assert "training adapter" in suggest("subject", 16, base(traits=flux1.SCHNELL)).reason


def test_the_scale_is_told_beside_the_rate():
    assert "learning rate 0.0001, rank 16 and alpha 16 (scale 1)" in suggest("person", 20, base()).reason


def test_all_suggestions_for_a_base_model_are_known_with_their_sources():
    found = suggestions_for(base(), 16)
    assert found["rank"] == [(16, "our own choice"), (32, "our own choice")], "a subject's and a style's"
    assert found["snr_gamma"] == [(5.0, "arXiv:2303.09556")]
    assert [own.value for own in found["steps"]] == [960, 600, 480, 300, 1440, 900]
    declared = suggestions_for(base(recipe={"rank": 8, "steps": 260}), 16)
    assert [own.value for own in declared["rank"]] == [8], "what the base model declares takes the place of others"
    assert [own.value for own in declared["steps"]] == [260, 130, 390]
