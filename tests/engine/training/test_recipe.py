"""Settings are declared once; the recipe refuses what can't be trained, and keys only what has an effect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.fields import Settings, defaults_of, setting, settings_of
from lora_workbench.engine.training.recipe import GROUP_OF, GROUPS, Recipe
from lora_workbench.engine.training.schedules import SCHEDULES, Shape, learning_rate_factor
from lora_workbench.engine.training.settings import Circumstances


def keyed(recipe: Recipe, **circumstances):
    given = {"has_prior": False, "all_cropped": False, "prediction_type": "epsilon"} | circumstances
    return recipe.keyed(Circumstances(recipe=recipe, **given))


def test_all_mistakes_of_a_group_are_named_at_once():
    with pytest.raises(ConfigError) as told:
        Recipe.of(learning_rate=math.nan, weight_decay=-1.0, optimizer="adam")
    for words in ("learning_rate: got nan", "weight_decay: got -1.0", "did you mean adamw?"):
        assert words in str(told.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rank": 0}, "rank: got 0, expected a number from 1 to 1024"),
        ({"learning_rate": 0.0}, "learning_rate: got 0.0, expected a finite number above 0"),
        ({"steps": 2.5}, "steps: got 2.5, expected a whole number"),
        ({"schedule": "cosin"}, "did you mean cosine?"),
        ({"caption_dropout": 1.5}, "expected a number from 0 to 1"),
        ({"snapshot_steps": (5, 0)}, "snapshot_steps: got (5, 0)"),
        ({"raank": 4}, "did you mean rank?"),
        ({"sigma_min": 0.4, "sigma_max": 0.4}, "sigma_min: got 0.4, expected less than sigma_max, which is 0.4"),
        ({"sigma_min": 1.0}, "sigma_min: got 1, expected less than sigma_max, which is 1"),
        ({"sigma_max": 400}, "sigma_max: got 400, expected a number from 0 to 1"),
        ({"mode_scale": 1.8}, "mode_scale: got 1.8, expected a number from -1 to 1.75"),
        ({"shift_factor": 0.0}, "shift_factor: got 0.0, expected"),
        ({"noise_shift": "models"}, "did you mean model?"),
    ],
)
def test_values_that_make_no_sense_are_refused(changes, told):
    with pytest.raises(ConfigError, match="1 invalid setting") as error:
        Recipe().changed(**changes)
    assert told in str(error.value)


def test_mistakes_in_several_groups_are_named_at_once():
    with pytest.raises(ConfigError, match="3 invalid settings") as told:
        Recipe.of(rank=0, learning_rate="fast", raank=4)
    for words in ("rank: got 0", "learning_rate: got 'fast', expected a number", "raank: not a setting"):
        assert words in str(told.value)


def test_lists_as_in_json_are_checked_and_become_tuples():
    assert Recipe.of(snapshot_steps=[2, 5]) == Recipe.of(snapshot_steps=(2, 5))
    with pytest.raises(ConfigError, match=r"snapshot_steps: got \[5, 0\], expected a number from 1 to 1000000"):
        Recipe.of(snapshot_steps=[5, 0])
    with pytest.raises(ConfigError, match="sample_prompts: got 'a fox', expected a list of texts"):
        Recipe.of(sample_prompts="a fox")


def test_names_of_settings_are_unique_and_everything_is_declared():
    assert len(GROUP_OF) == sum(len(settings_of(group)) for group in GROUPS.values())
    for group in GROUPS.values():
        assert group.title and group.__doc__
        for name, declared in settings_of(group).items():
            assert declared.tooltip.endswith("."), name
            assert declared.since, name
            assert not declared.problem(defaults_of(group)[name]), name


def test_changes_reach_their_groups():
    recipe = Recipe.of(rank=4, steps=7).changed(learning_rate=2e-3)
    assert (recipe.adapter.rank, recipe.schedule.steps, recipe.optimizer.learning_rate) == (4, 7, 2e-3)
    assert recipe.flat()["rank"] == 4
    assert Recipe.of(**recipe.flat()) == recipe


@pytest.mark.parametrize(
    ("without_effect", "with_effect"),
    [
        ({"text_encoder_learning_rate": 0.5}, {"train_text_encoder": True}),
        ({"prior_weight": 0.5}, {"has_prior": True}),
        ({"prior_batch_size": 3}, {"has_prior": True}),
        ({"caption_keep": 3}, {"caption_shuffle": 2}),
        ({"logit_mean": 1.0}, {"timestep_distribution": "logit_normal"}),
        ({"mode_scale": 1.0}, {"timestep_distribution": "mode"}),
        ({"noise_shift": "model"}, {"prediction_type": "flow"}),
        ({"shift_factor": 2.0}, {"prediction_type": "flow", "noise_shift": "fixed"}),
        ({"p2_gamma": 0.5}, {"loss_weighting": "p2"}),
        ({"p2_k": 0.5}, {"loss_weighting": "p2"}),
        ({"huber_delta": 0.5}, {"loss_function": "smooth_l1"}),
        ({"huber_schedule": "constant"}, {"loss_function": "huber"}),
        ({"pyramid_discount": 0.5}, {"pyramid_iterations": 3}),
        ({"noisy_rank_power": 2.0}, {"noisy_rank": 3}),
    ],
)
def test_a_setting_without_effect_is_not_in_the_key(without_effect, with_effect):
    circumstances = {name: value for name, value in with_effect.items() if name not in GROUP_OF}
    settings = {name: value for name, value in with_effect.items() if name in GROUP_OF}
    assert keyed(Recipe()) == keyed(Recipe.of(**without_effect))
    effective = Recipe.of(**settings)
    assert keyed(effective, **circumstances) != keyed(effective.changed(**without_effect), **circumstances)


def test_what_is_neutral_or_does_not_change_the_weights_is_not_in_the_key():
    names = keyed(Recipe())
    assert not {"caption_dropout", "gradient_accumulation", "timestep_distribution", "train_text_encoder"} & {*names}
    assert not {"steps", "save_every", "sample_every", "sample_prompts", "snapshot_steps"} & {*names}
    assert "snr_gamma" in names and "snr_gamma" not in keyed(Recipe(), prediction_type="flow")
    assert not {"noise_shift", "shift_factor", "mode_scale", "sigma_min", "sigma_max"} & {*names}
    assert keyed(Recipe(), prediction_type="flow")["noise_shift"] == "none", "keys of versions without it differ"
    assert "resolution" in names and "resolution" not in keyed(Recipe(), all_cropped=True)


def test_weightings_leave_the_key_of_others_alone():
    assert "snr_gamma" not in keyed(Recipe.of(loss_weighting="p2"))
    assert keyed(Recipe.of(loss_weighting="soft_min_snr", snr_gamma=0)) == keyed(Recipe.of(snr_gamma=0))
    assert keyed(Recipe.of(loss_weighting="p2"), prediction_type="flow") == keyed(Recipe(), prediction_type="flow")


def test_two_kinds_of_noise_for_large_areas_are_refused():
    with pytest.raises(ConfigError, match="noise_offset and pyramid_iterations"):
        Recipe.of(noise_offset=0.1, pyramid_iterations=6)


def test_a_new_neutral_setting_changes_no_key():
    @dataclass(frozen=True, kw_only=True)
    class Wider(Settings):
        title = "Wider"

        old: float = setting(1.0, "There before.", minimum=0)
        new: float = setting(0.0, "Came later, and does nothing by default.", minimum=0, neutral=0.0, since="0.2")

    declared = settings_of(Wider)
    counted = {name for name in declared if declared[name].counts(getattr(Wider(), name), None)}
    assert counted == {"old"}
    assert declared["new"].counts(0.1, None)


def test_the_learning_rate_warms_up_and_decays():
    rates = [learning_rate_factor("cosine", step, steps=100, warmup_steps=10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(rates[9], rel=0.05)
    assert rates[50] == pytest.approx(0.5)
    assert rates[99] < 0.01
    linear = [learning_rate_factor("linear", step, steps=4, warmup_steps=0) for step in range(4)]
    assert linear == [1, 0.75, 0.5, 0.25]
    assert [SCHEDULES.get("constant")(done, Shape()) for done in (0.0, 0.5, 1.0)] == [1, 1, 1]
