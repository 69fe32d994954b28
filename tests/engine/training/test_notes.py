"""Settings that have no effect or cancel each other are named before a run; usual ones aren't."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.fields import settings_of
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masks import Mask
from lora_workbench.engine.data.views import fitted
from lora_workbench.engine.diffusion.shift import Shift
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.training.notes import Plan, notes
from lora_workbench.engine.training.recipe import GROUPS, Recipe
from lora_workbench.engine.training.suggestions import suggest
from PIL import Image


@pytest.fixture(scope="module")
def base(tiny_sd1) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    images = [Image.new("RGB", (64, 48), (shade, 0, 0)) for shade in range(0, 160, 10)]
    return dataset_from_images(images, [f"a zwx thing {i}" for i in range(16)], "reds")


def told(base: Backbone, dataset: Dataset, has_prior: bool | None = None, **settings) -> list[str]:
    usual = {"steps": 100, "rank": 4, "alpha": 4.0, "resolution": 32, "warmup_steps": 10}
    return notes(
        Plan(recipe=Recipe.of(**usual | settings), dataset=dataset, base=base, has_prior=has_prior)
    )  # fmt: skip


@pytest.mark.parametrize("goal", ["subject", "style", "product", "person"])
@pytest.mark.parametrize("quality", ["draft", "standard", "thorough"])
def test_a_suggested_recipe_needs_no_note(base, pictures, goal, quality):
    recipe = suggest(goal, len(pictures), base.info, quality).changed(rank=4, alpha=4.0)
    assert notes(Plan(recipe=recipe, dataset=pictures, base=base, has_prior=None)) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 4, "warmup_steps": 100, "batch_size": 4}, "never gets above 4% of 0.0001"),
        (
            {"steps": 20, "warmup_steps": 50},
            "never gets above 40% of 0.0001: the warm-up takes 50 steps, and the run has 20",
        ),
        ({"optimizer": "lion"}, "0.0001 is suggested for adamw, and lion takes a third to a tenth of that"),
        ({"kind": "lokr"}, "0.0001 is suggested for lora, and lokr learned little at such rates"),
        ({"warmup_steps": 90, "schedule": "cosine"}, "never gets above"),
        (
            {"ema_decay": 0.9999},
            "ema_decay 0.9999 isn't reached: after 100 steps the moving average has warmed up to 0.917",
        ),
        ({"ema_in": "files"}, "ema_in = files has no effect without ema_decay"),
        (
            {"learning_rate": 0.003, "rate_search": "range_test"},
            "learning_rate = 0.003 has no effect where rate_search finds it",
        ),
        ({"text_encoder_learning_rate": 1e-3}, "text_encoder_learning_rate = 0.001 has no effect without"),
        ({"train_text_encoder": True, "text_encoder_learning_rate": 0.0}, "train_text_encoder has no effect"),
        ({"logit_mean": 0.5}, "logit_mean = 0.5 has no effect unless timestep_distribution is logit_normal"),
        ({"contrastive_guidance": 3.5}, "contrastive_guidance 3.5 is for base models that guidance was distilled into"),
        ({"caption_keep": 2}, "caption_keep = 2 has no effect without caption_shuffle"),
        ({"caption_shuffle": 1}, "caption_shuffle = 1 has no effect below 2"),
        ({"rank": 1000, "alpha": 1000.0}, "rank 1000 is more than"),
        ({"rank": 16, "alpha": 1.0}, "alpha 1 with rank 16 scales the update by 0.062"),
        ({"steps": 7, "batch_size": 2, "warmup_steps": 0}, "7 steps don't show every picture once, which takes 8"),
        ({"batch_size": 20}, "batch_size 20 is more than the 16 pictures"),
        ({"resolution": 56}, "resolution 56 is more than any picture has: the largest is 48 pixels"),
        ({"caption_dropout": 1.0}, "caption_dropout 1 drops every caption"),
        ({"sample_every": 10}, "sample_every = 10 has no effect without sample_prompts"),
        ({"sample_prompts": ("a zwx",)}, "sample_prompts are drawn only when somebody asks"),
        ({"sample_every": 101, "sample_prompts": ("a zwx",)}, "There will be no sample pictures"),
        ({"save_every": 500}, "save_every = 500 has no effect: the run has 100 steps"),
        ({"snapshot_steps": (50, 150, 200)}, "no snapshot after step 150, 200"),
        ({"snapshot_every": 100}, "snapshot_every = 100 gives no snapshot: the run has 100 steps"),
        ({"snapshot_epochs": 7.5}, "snapshot_epochs = 7.5 gives no snapshot: the run has 6.25 epochs"),
        ({"keep_snapshots": 3}, "keep_snapshots = 3 has no effect without snapshot_steps, snapshot_every or"),
        ({"epochs": 6.25}, "epochs = 6.25 decides the length: 100 steps = 6.25 epochs of 16 pictures"),
    ],
)
def test_what_does_not_do_what_it_says_is_named(base, pictures, settings, words):
    (note,) = told(base, pictures, **settings)
    assert words in note


def test_regularization_settings_are_judged_where_the_pictures_are_known(base, pictures):
    assert "without regularization pictures" in "".join(told(base, pictures, False, prior_weight=0.5))
    assert told(base, pictures, True, prior_weight=0.5) == told(base, pictures, None, prior_weight=0.5) == []
    (note,) = told(base, pictures, True, prior_weight=0.0)
    assert "count for nothing" in note


def test_flow_models_name_min_snr_if_it_was_chosen(base, pictures, monkeypatch):
    monkeypatch.setattr(base, "info", replace(base.info, prediction_type="flow"))
    assert told(base, pictures) == []
    assert told(base, pictures, snr_gamma=4.0) == [
        "snr_gamma = 4 has no effect on flow models, nor with another loss_weighting."
    ]


def test_a_weighting_that_does_nothing_is_named(base, pictures):
    assert told(base, pictures, loss_weighting="p2", snr_gamma=4.0) == [
        "snr_gamma = 4 has no effect on flow models, nor with another loss_weighting."
    ]
    assert told(base, pictures, loss_weighting="soft_min_snr", snr_gamma=0.0) == [
        "loss_weighting = soft_min_snr has no effect on flow models, nor where snr_gamma or p2_gamma is 0."
    ]


@pytest.fixture
def flow(base, monkeypatch) -> Backbone:
    """A base that predicts flow and is sampled with FLUX.2's shift; 64 of its tokens are a picture of 32 pixels."""
    shift = Shift.fixed(7.5)
    monkeypatch.setattr(base, "info", replace(base.info, prediction_type="flow", shift=shift, latent_factor=4))
    return base


def test_a_shift_that_leaves_no_steps_for_details_is_named_with_figures(flow, pictures):
    (note,) = told(flow, pictures, noise_shift="model")
    assert "Only 9.8% of the steps train below noise level 0.45" in note
    assert "the shift by 7.5 leaves half of them above 0.88" in note
    assert told(flow, pictures, noise_shift="none") == told(flow, pictures, noise_shift="resolution") == []
    assert told(flow, pictures, noise_shift="model", sigma_max=0.4) == []
    suggested = replace(flow.info, recipe={"noise_shift": "model"})
    flow.info = suggested
    assert told(flow, pictures, noise_shift="model") == [], "what a family's recipe is isn't held against a person"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"noise_shift": "fixed", "shift_factor": 1.0}, "noise_shift = fixed has no effect, as shift_factor is 1"),
        ({"shift_factor": 2.0}, "shift_factor = 2 has no effect unless noise_shift is fixed"),
        ({"mode_scale": 0.5}, "mode_scale = 0.5 has no effect unless timestep_distribution is mode"),
    ],
)
def test_noise_settings_without_effect_on_flow_models_are_named(flow, pictures, settings, words):
    (note,) = told(flow, pictures, **settings)
    assert words in note


def test_the_shift_of_a_base_without_one_is_named(base, pictures, monkeypatch):
    assert told(base, pictures, noise_shift="model") == [
        "noise_shift = model has no effect on models other than flow models."
    ]
    monkeypatch.setattr(base, "info", replace(base.info, prediction_type="flow"))
    (note,) = told(base, pictures, noise_shift="model")
    assert "is sampled without a shift" in note


def test_long_pictures_of_which_little_is_left_are_named(base, pictures):
    long = dataset_from_images([Image.new("RGB", size) for size in ((400, 40), (50, 90), (40, 60))], ["zwx"] * 3, "x")
    lines = [line for line in told(base, long, batch_size=1) if "middle square" in line]
    assert len(lines) == 1 and "image_0001.png keeps 10%." in lines[0] and "image_0002" not in lines[0]
    crop = fitted((400, 40), (80, 32))
    cropped = replace(long, records=tuple(replace(record, crops=(crop,)) for record in long))
    assert not any("middle square" in line for line in told(base, cropped, batch_size=1))


def test_masks_that_no_node_weighs_are_named(base, pictures):
    mask = Mask(source=pictures.records[0].source, content_hash="0")
    found = replace(pictures, records=(replace(pictures.records[0], mask=mask), *pictures.records[1:]))
    assert "1 of 16 pictures have masks, which change nothing" in " ".join(told(base, found))
    used = replace(found, records=(replace(found.records[0], mask=replace(mask, floor=0.1)), *found.records[1:]))
    assert told(base, used) == told(base, pictures) == []


def test_equal_repeats_change_nothing_by_steps(base, pictures):
    repeated = replace(pictures, records=tuple(replace(record, repeats=10) for record in pictures))
    (note,) = told(base, repeated, steps=200)
    assert "All pictures have 10 repeats" in note
    weighed = replace(pictures, records=(replace(pictures.records[0], repeats=3), *pictures.records[1:]))
    assert told(base, weighed) == []


def test_many_sizes_leave_batches_half_empty(base, pictures):
    sizes = [(32 + 8 * (i // 2), 32) for i in range(16)]
    cropped = tuple(
        replace(record, crops=(fitted((record.width, record.height), size),))
        for record, size in zip(pictures, sizes, strict=True)
    )
    (note,) = told(base, replace(pictures, records=cropped), batch_size=8)
    assert "batch_size 8 is seldom reached: batches hold 2 pictures on average" in note
    assert told(base, replace(pictures, records=cropped), batch_size=2) == []


def test_every_setting_that_may_be_unused_says_when():
    for cls in GROUPS.values():
        for name, declared in settings_of(cls).items():
            assert (declared.used is None) == (not declared.unused), name


@given(
    steps=st.integers(1, 300),
    warmup=st.integers(0, 400),
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
)
def test_a_rate_that_stays_low_is_never_silent(base, pictures, steps, warmup, schedule):
    recipe = Recipe.of(steps=steps, warmup_steps=warmup, schedule=schedule, rank=4, alpha=4.0, resolution=32)
    share = max(recipe.learning_rates(steps)) / recipe.optimizer.learning_rate
    found = "never gets above" in "".join(notes(Plan(recipe=recipe, dataset=pictures, base=base, has_prior=None)))
    assert found == (share < 0.75 or warmup > steps)
