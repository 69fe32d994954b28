"""Sliders: opposite ends at the weights 1 and -1, from prompts or from pairs of pictures; runs like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest
import torch
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import CaptionError, ConfigError, DatasetError, TrainingError
from lora_workbench.engine.core.events import Message, SamplesGenerated, StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.sliders import train_picture_slider, train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from lora_workbench.engine.training.slider_loss import Direction, SliderLoss
from lora_workbench.engine.training.slider_recipe import suggest_slider
from PIL import Image

RECIPE = Recipe.of(
    steps=4, learning_rate=1e-3, rank=4, alpha=2, batch_size=2, warmup_steps=0, save_every=2, targets="attention"
)
ENDS = PromptSlider(positive="a big thing", negative="a small thing", neutral=("a thing", "a box"))


def steps_of(events) -> list[int]:
    return [event.step for event in events if isinstance(event, StepDone)]


@pytest.fixture(scope="module")
def base(quick_sd1):
    return registry.load_base(quick_sd1, device="cpu")


def starting_by_prompts(base, root):
    def start(slider=ENDS, recipe=RECIPE, folder="store", **others):
        others = {"pictures": 3, "seed": 7, "name": "size"} | others
        return train_prompt_slider(base, slider, recipe, store=RunStore(root / folder), **others)

    return start


@pytest.fixture
def by_prompts(base, tmp_path):
    return starting_by_prompts(base, tmp_path)


@pytest.fixture(scope="module")
def trained_by_prompts(base, tmp_path_factory):
    """(the slider of ``RECIPE``, its events)."""
    return finish(starting_by_prompts(base, tmp_path_factory.mktemp("by prompts"))())


def pictures(color: str, names=("a", "b"), captions=("a thing", "a thing"), size=(32, 32)):
    images = [Image.new("RGB", size, color).point(lambda v, n=n: v + n) for n in range(len(names))]
    made = dataset_from_images(images, captions, color)
    records = [
        replace(record, source=replace(record.source, name=f"{name}.png"))
        for record, name in zip(made, names, strict=True)
    ]
    return replace(made, records=tuple(records))


def starting_by_pictures(base, root):
    def start(positives=None, negatives=None, recipe=RECIPE, folder="store", prompts=(), **others):
        sets = (positives or pictures("white"), negatives or pictures("black"))
        others = {"seed": 7, "name": "light"} | others
        return train_picture_slider(base, *sets, recipe, prompts=prompts, store=RunStore(root / folder), **others)

    return start


@pytest.fixture
def by_pictures(base, tmp_path):
    return starting_by_pictures(base, tmp_path)


CUT = RECIPE.changed(caption_dropout=0.3, gradient_accumulation=2)
"""Of runs that are cut off."""


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    """What starts a slider -> the one of ``CUT`` that nothing disturbs."""
    return cache(lambda starting: result(starting(base, tmp_path_factory.mktemp("undisturbed"))(recipe=CUT)))


def test_the_weight_of_an_injected_adapter_scales_and_switches_it_off(base):
    targets = {"denoiser": base.info.target_presets["attention"]}
    latents, t = torch.randn(2, base.info.latent_channels, 4, 4), torch.tensor([10, 500])
    prompt = base.encode_prompts(["a thing"] * 2)
    plain = base.predict(latents, t, prompt)
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection:
        for name, parameter in injection.parameters.items():
            if name.endswith(".up"):
                torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
        full = base.predict(latents, t, prompt)
        with injection.at(0.0):
            assert torch.equal(base.predict(latents, t, prompt), plain)
        with injection.at(-1.0):
            reverse = base.predict(latents, t, prompt)
        assert torch.equal(base.predict(latents, t, prompt), full)
    assert not torch.allclose(full, plain) and not torch.allclose(reverse, plain)
    assert torch.dot((full - plain).flatten(), (reverse - plain).flatten()) < 0


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_the_goal_lies_along_the_difference_of_the_ends(base, weight):
    """Against equation 7 of arXiv:2311.12092 written out."""
    targets = {"denoiser": base.info.target_presets["attention"]}
    x_t, timesteps = torch.randn(2, base.info.latent_channels, 4, 4), base.timesteps(torch.tensor([0.2, 0.7]))
    neutral, up, down = (base.encode_prompts([text]) for text in ("a thing", "a big thing", "a small thing"))
    plain = [base.predict(x_t, timesteps.t, c.pick(torch.tensor([0, 0]))) for c in (neutral, up, down)]
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=1, seed=0) as injection:
        for parameter in injection.parameters.values():
            torch.nn.init.ones_(parameter)
        goal = Direction(backbone=base, injection=injection, positive=up, negative=down, guidance=2.5)
        injection.weight = weight
        wanted = goal(x_t, timesteps, neutral.pick(torch.tensor([0, 0])), torch.Generator())
        assert injection.weight == weight
    assert torch.allclose(wanted, plain[0] + weight * 2.5 * (plain[1] - plain[2]), atol=1e-5)
    assert not wanted.requires_grad


def test_attributes_to_preserve_are_drawn_for_each_sample(base):
    slider = replace(ENDS, preserve=("red", "green"))
    assert slider.ends("a big thing") == ("a big thing, red", "a big thing, green")
    assert ENDS.ends("a big thing") == ("a big thing",)


def test_both_ends_see_the_same_noise_and_the_weight_stays_for_the_backward_pass():
    class Told:
        micro_batches = 3

        def __init__(self):
            self.asked = []

        def of_micro_batch(self, step, micro):
            self.asked.append((step, micro, weights.weight))
            return torch.tensor(0.0)

    class Weights:
        weight = 0.0

    weights, up, down = Weights(), Told(), Told()
    loss = SliderLoss(positive=up, negative=down, injection=weights)  # type: ignore[arg-type]
    assert loss.micro_batches == 6
    for micro in range(loss.micro_batches):
        loss.of_micro_batch(5, micro)
    assert up.asked == [(5, n, 1.0) for n in range(3)]
    assert down.asked == [(5, n, -1.0) for n in range(3)]


def test_a_run_by_prompts_is_a_value(base, by_prompts):
    before = {k: v.clone() for k, v in base.denoiser.state_dict().items()}
    first, events = finish(by_prompts())
    assert steps_of(events) == [1, 2, 3, 4]
    again, events = finish(by_prompts())
    assert again.cached and steps_of(events) == []
    assert again.adapter.content_hash == first.adapter.content_hash
    for change in ({"positive": "a huge thing"}, {"guidance": 2.0}, {"preserve": ("red",)}):
        other = result(by_prompts(replace(ENDS, **change), recipe=RECIPE.changed(steps=1)))
        assert other.snapshots.lineage != first.snapshots.lineage and other.losses[0] != first.losses[0]
    assert all(torch.equal(before[k], v) for k, v in base.denoiser.state_dict().items())


@pytest.mark.parametrize(
    ("starting", "stop_after"),
    [(starting_by_prompts, 1), (starting_by_prompts, 3), (starting_by_pictures, 2)],
)
def test_a_closed_run_goes_on_to_the_same_bits(base, undisturbed, tmp_path, starting, stop_after):
    """Before a state is saved in passing, with it, and after it."""
    train, whole = starting(base, tmp_path), undisturbed(starting)
    closed_at(train(recipe=CUT), step_done(stop_after))
    rest, seen = finish(train(recipe=CUT))
    assert rest.resumed_at == stop_after and steps_of(seen) == list(range(stop_after + 1, 5))
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_the_file_says_that_it_is_a_slider(trained_by_prompts):
    trained, _ = trained_by_prompts
    read = load_adapter(trained.adapter.path)
    told = json.loads(read.metadata["lw.slider"])
    assert (told["positive"], told["negative"]) == ("a big thing", "a small thing")
    assert told["neutral"] == ["a thing", "a box"] and told["range"] == [-1.0, 1.0]
    assert read.is_slider and read.trigger == ""
    assert Stack((StackEntry(read, -1.0, -1.0),)).warnings() == []


def test_samples_show_both_ends(by_prompts, trained_by_prompts):
    recipe = RECIPE.changed(sample_every=2, sample_prompts=("a thing",))
    sampled, seen = finish(by_prompts(recipe=recipe))
    plain, _ = trained_by_prompts
    samples = [event for event in seen if isinstance(event, SamplesGenerated)]
    assert [event.prompts for event in samples] == [["a thing (-1)", "a thing (+0)", "a thing (+1)"]] * 2
    assert [len(event.images) for event in samples] == [3, 3]
    assert sampled.adapter.content_hash == plain.adapter.content_hash


def test_a_slider_by_pictures_learns_one_set_at_each_end(base, by_pictures):
    recipe = RECIPE.changed(steps=20, learning_rate=1e-2, snr_gamma=0)
    trained = result(by_pictures(recipe=recipe))
    assert sum(trained.losses[-5:]) < sum(trained.losses[:5])
    told = json.loads(trained.adapter.metadata["lw.slider"])
    assert [record["name"] for record in told["negative_pictures"]] == ["a.png", "b.png"]
    other = result(by_pictures(negatives=pictures("gray"), recipe=recipe.changed(steps=1)))
    assert other.losses[0] != trained.losses[0]


def test_pictures_without_a_partner_are_named(by_pictures):
    more = pictures("white", ("a", "b", "lonely"), ("a thing",) * 3)
    trained, seen = finish(by_pictures(positives=more, recipe=RECIPE.changed(steps=1)))
    note = "1 picture without a partner, not used: lonely.png"
    assert note in trained.notes
    assert any(isinstance(event, Message) and note in event.text for event in seen)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"negatives": pictures("black", ("c", "d"))}, DatasetError, "No picture of white has a partner"),
        ({"negatives": pictures("black", ("a", "a"))}, DatasetError, "same name"),
        ({"negatives": pictures("white")}, DatasetError, "are the same: a.png, b.png"),
        ({"negatives": pictures("black", size=(32, 40))}, DatasetError, "differ in size: a.png"),
        ({"negatives": pictures("black", captions=("x", "y"))}, CaptionError, "two captions"),
        ({"recipe": RECIPE.changed(train_text_encoder=True)}, TrainingError, "leaves it as it is"),
    ],
)  # fmt: skip
def test_pairs_that_cannot_be_trained_on_are_refused_before_the_first_step(by_pictures, change, error, words):
    with pytest.raises(error, match=words):
        next(by_pictures(**change))


def test_a_prompt_is_used_for_both_pictures_of_a_pair(by_pictures):
    sets = {"positives": pictures("white", captions=("big", "x")), "negatives": pictures("black")}
    trained = result(by_pictures(**sets, prompts=("a thing",), recipe=RECIPE.changed(steps=1)))
    [first, _] = json.loads(trained.adapter.metadata["lw.dataset"])
    assert first["caption"] == "a thing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positive": " "}, "positive: got no prompt"),
        ({"negative": ""}, "negative: got no prompt"),
        ({"neutral": ()}, "neutral: got no prompt"),
        ({"negative": "a big thing "}, "'a big thing' for both, expected opposites"),
        ({"guidance": 0.0}, "guidance"),
    ],
)
def test_prompts_that_give_no_slider_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        replace(ENDS, **change)


def test_too_few_pictures_and_a_trained_text_encoder_are_refused_before_anything_is_generated(by_prompts):
    with pytest.raises(ConfigError, match="for 2 neutral prompts"):
        next(by_prompts(pictures=1))
    with pytest.raises(TrainingError, match="leaves it as it is"):
        next(by_prompts(recipe=RECIPE.changed(train_text_encoder=True)))


def test_the_suggested_recipe_is_for_a_slider_whatever_the_base_wants_for_subjects(base):
    info = replace(base.info, recipe={"learning_rate": 3e-3, "steps": 9000, "rank": 64, "train_text_encoder": True})
    recipe = suggest_slider(info)
    assert (recipe.schedule.steps, recipe.adapter.rank, recipe.adapter.train_text_encoder) == (500, 8, False)
    assert recipe.optimizer.learning_rate == 3e-3
    assert "scales the update by 0.5" in recipe.reason
    assert suggest_slider(base.info).optimizer.learning_rate == 2e-4
