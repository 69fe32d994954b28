"""Preservation with the base model as the teacher: what it is asked, the gradients, and runs that have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.errors import CaptionError, TrainingError
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.diffusion.noise import add_noise, gaussian_noise
from lora_workbench.engine.diffusion.prediction import target
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.loss import StepLoss
from lora_workbench.engine.training.loss_parts import parts_in_words, parts_report
from lora_workbench.engine.training.preservation import Preservation
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.state import TrainingState
from lora_workbench.engine.training.training_set import TrainingSet, encode, step_generator
from PIL import Image

TRIGGER = TriggerWord(word="zwx", class_word="thing")
RECIPE = Recipe.of(
    steps=4, learning_rate=1e-2, rank=2, alpha=2, batch_size=2, warmup_steps=0, snr_gamma=0.0, caption_dropout=0.3
)
WAYS: dict[str, dict[str, float]] = {
    "output": {"output_preservation": 1.5},
    "blank": {"blank_preservation": 0.5},
    "mask": {"mask_preservation": 2.0},
    "all": {"output_preservation": 1.5, "blank_preservation": 0.5, "mask_preservation": 2.0},
}


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three pictures, of which two have masks."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    captions = ["a zwx", "zwx, large, plain", "a photo of zwx thing"]
    made = replace(dataset_from_images(pictures, captions, "things"), trigger=TRIGGER)
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    masked = finished(with_masks(replace(made, records=made.records[:2]), "files", 0.2, [mask, mask])).dataset
    return replace(made, records=(*masked.records, made.records[2]))


def finished(events: Iterator[Any]) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def encoded(base: Backbone, dataset: Dataset, recipe: Recipe, folder: Path) -> TrainingSet:
    embed = not recipe.adapter.train_text_encoder
    return finished(encode(base, dataset, 32, RunStore(folder).encoded, embed=embed, preserved=recipe.prior))


@pytest.fixture
def injection(base: Backbone) -> Iterator[Injection]:
    """An adapter that has an effect, in the denoiser and in the text encoder."""
    targets = {"denoiser": base.info.target_presets["attention"], "text_encoder": ("q_proj", "v_proj")}
    with injected(TRAINED.get("lora"), base.load_components(), targets, rank=2, alpha=2, seed=0) as made:
        for parameter in made.parameters.values():
            parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
        yield made


def step_loss(base: Backbone, subject: TrainingSet, recipe: Recipe, injection: Injection) -> StepLoss:
    held = Preservation.of(
        recipe.prior, subject, backbone=base, injection=injection,
        trains_text_encoder=recipe.adapter.train_text_encoder,
    )  # fmt: skip
    return StepLoss(backbone=base, recipe=recipe, subject=subject, prior=None, seed=3, preservation=held)


@pytest.mark.parametrize("text_encoder", [False, True])
def test_the_parts_and_their_gradients_are_those_of_a_step_by_hand(
    base: Backbone, dataset: Dataset, injection: Injection, tmp_path: Path, text_encoder: bool
) -> None:
    recipe = RECIPE.changed(**WAYS["all"], train_text_encoder=text_encoder)
    with injection.at(0.0):  # no text encoder carries it where captions are encoded before
        subject = encoded(base, dataset, recipe, tmp_path)
    loss = step_loss(base, subject, recipe, injection)
    found = loss.of_micro_batch(1, 0)
    assert loss.parts == ("subject", "output_preservation", "blank_preservation", "mask_preservation")
    found.sum().backward()
    gradients = {name: p.grad.clone() for name, p in injection.parameters.items() if p.grad is not None}
    assert any(name.startswith("text_encoder") for name in gradients) == text_encoder

    generator = step_generator(3, 1, 0)
    chosen = [i for i, _ in subject.sample(1, 2, loss_seed("subject"))]
    kept = torch.rand(2, generator=generator) >= 0.3
    captions = [subject.captions[i][0] if keep else "" for i, keep in zip(chosen, kept, strict=True)]
    classes = [{"a zwx": "a thing", "zwx, large, plain": "thing, large, plain"}.get(c, "a photo of thing")
               for c in (subject.captions[i][0] for i in chosen)]  # fmt: skip
    x0 = torch.stack([subject.latents[i][0] for i in chosen])
    noise = gaussian_noise(x0.shape, generator)
    levels = base.timesteps(torch.rand(2, generator=generator))
    x_t = add_noise(x0, noise, levels.alpha, levels.sigma)

    def predicted(prompts: list[str]) -> torch.Tensor:
        conditioning = base.encode_prompts(prompts)
        if not text_encoder:
            with torch.no_grad(), injection.at(0.0):
                conditioning = base.encode_prompts(prompts)
        return base.predict(x_t, levels.t, conditioning)

    with torch.no_grad(), injection.at(0.0):
        taught = [predicted(prompts) for prompts in (classes, ["", ""], captions)]
    wanted = target("epsilon", x0, noise, levels.alpha, levels.sigma)
    assert subject.weights and subject.outside
    weights, outside = (torch.stack([own[i][0] for i in chosen]) for own in (subject.weights, subject.outside))
    own = predicted(captions)
    by_hand = torch.stack([
        ((own - wanted).square() * weights).mean(),
        1.5 * (predicted(classes) - taught[0]).square().mean(),
        0.5 * (predicted(["", ""]) - taught[1]).square().mean(),
        2.0 * ((own - taught[2]).square() * outside).mean(),
    ])  # fmt: skip
    torch.testing.assert_close(found, by_hand)
    for parameter in injection.parameters.values():
        parameter.grad = None
    by_hand.sum().backward()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, injection.parameters[name].grad, rtol=1e-3, atol=1e-6)


def loss_seed(name: str) -> int:
    from lora_workbench.engine.core.seeds import derived_seed

    return derived_seed(3, name)


def test_the_teacher_is_the_base_model_to_the_bit(
    base: Backbone, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.changed(**WAYS["all"])
    subject, seen, predict = encoded(base, dataset, recipe, tmp_path), [], type(base).predict

    def watched(self: Backbone, *given: Any) -> torch.Tensor:
        seen.append((given, predict(self, *given)))
        return seen[-1][1]

    targets = {"denoiser": base.info.target_presets["attention"]}
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection:
        for parameter in injection.parameters.values():
            parameter.data.normal_()
        with monkeypatch.context() as patch:
            patch.setattr(type(base), "predict", watched)
            step_loss(base, subject, recipe, injection).of_micro_batch(0, 0)
        assert injection.weight == 1
        (given, taught), (_, learned) = seen
        assert not taught.requires_grad and learned.requires_grad
        with torch.no_grad():
            assert not torch.equal(base.predict(*given), taught)
    with torch.no_grad():
        assert torch.equal(base.predict(*given), taught)


def test_one_more_call_each_for_teacher_and_pupil(
    base: Backbone, dataset: Dataset, injection: Injection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, predict = [], type(base).predict

    def watched(self: Backbone, x: torch.Tensor, *given: Any) -> torch.Tensor:
        sizes.append(len(x))
        return predict(self, x, *given)

    monkeypatch.setattr(type(base), "predict", watched)
    for way, wanted in {"output": [2, 4], "blank": [2, 4], "mask": [2, 2], "all": [6, 6]}.items():
        recipe = RECIPE.changed(**WAYS[way])
        subject = encoded(base, dataset, recipe, tmp_path)
        step_loss(base, subject, recipe, injection).of_micro_batch(0, 0)
        assert (way, sizes) == (way, wanted)
        sizes.clear()


def test_class_captions_are_encoded_with_all_their_variants(base: Backbone, dataset: Dataset, tmp_path: Path) -> None:
    from lora_workbench.engine.training.caption_order import TagChanges

    events = encode(
        base, dataset, 32, RunStore(tmp_path).encoded, embed=True, changes=TagChanges(count=3, dropout=0.3),
        preserved=RECIPE.changed(**WAYS["output"]).prior,
    )  # fmt: skip
    subject = finished(events)
    assert subject.class_captions and subject.embeddings
    for orders, classes in zip(subject.captions, subject.class_captions, strict=True):
        assert len(orders) == len(classes) and not any("zwx" in caption for caption in classes)
        assert all(subject.embeddings[caption] for caption in classes)


def test_what_masks_leave_out_has_mean_one(base: Backbone, dataset: Dataset, tmp_path: Path) -> None:
    subject = encoded(base, dataset, RECIPE.changed(**WAYS["mask"]), tmp_path)
    assert subject.outside and subject.weights
    outside, weights = subject.outside[0][0], subject.weights[0][0]
    assert outside.mean().item() == pytest.approx(1)
    assert ((outside > 0.5) == (weights < 1)).all()
    assert not subject.outside[2][0].any(), "a picture without a mask has nothing outside it"


Train = Any


@pytest.fixture
def train(base: Backbone, dataset: Dataset, tmp_path: Path) -> Train:
    def start(folder: str = "store", data: Dataset = dataset, regularization: Any = None, **changes: Any) -> Any:
        return train_adapter(
            base, data, RECIPE.changed(**changes), seed=5, store=RunStore(tmp_path / folder), name="x",
            regularization=regularization,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("text_encoder", [False, True])
def test_a_stopped_run_goes_on_to_the_same_bits(train: Train, text_encoder: bool) -> None:
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    settings = {
        **WAYS["all"], "regularization": prior, "train_text_encoder": text_encoder, "caption_shuffle": 3,
        "gradient_accumulation": 2,
    }  # fmt: skip
    whole: TrainedAdapter = finished(train("whole", **settings))
    events = train(**settings)
    while not (isinstance(event := next(events), StepDone) and event.step == 2):
        pass
    events.close()
    assert event.loss == pytest.approx(sum(event.parts.values()), rel=1e-6)
    resumed: TrainedAdapter = finished(train(**settings))
    assert resumed.resumed_at == 2
    assert resumed.adapter.content_hash == whole.adapter.content_hash
    assert (resumed.losses, resumed.parts) == (whole.losses, whole.parts)
    assert list(whole.parts) == ["subject", "prior", *WAYS["all"]]
    again: TrainedAdapter = finished(train(**settings))
    assert again.cached and again.parts == whole.parts


def test_states_from_before_losses_had_parts_go_on(train: Train, tmp_path: Path) -> None:
    whole: TrainedAdapter = finished(train("whole", **WAYS["blank"]))
    events = train(**WAYS["blank"])
    while not (isinstance(event := next(events), StepDone) and event.step == 2):
        pass
    events.close()
    [path] = (tmp_path / "store").rglob("*.state.safetensors")
    replace(TrainingState.load(path), parts={}).save(path)
    resumed: TrainedAdapter = finished(train(**WAYS["blank"]))
    assert (resumed.resumed_at, resumed.losses) == (2, whole.losses)
    for part, values in resumed.parts.items():
        assert all(map(isnan, values[:2])) and values[2:] == whole.parts[part][2:]


def test_the_base_model_is_told_of_all_samples_that_go_through_it_together(
    base: Backbone, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, training = [], type(base).training

    def told_training(self: Backbone, batch: int, resolution: int) -> Any:
        told.append(batch)
        return training(self, batch, resolution)

    monkeypatch.setattr(type(base), "training", told_training)
    for way in WAYS:
        finished(train(way, **WAYS[way], steps=1))
    assert told == [4, 4, 2, 6]


def test_a_new_adapter_is_what_it_is_held_to(train: Train) -> None:
    parts = finished(train(**WAYS["all"])).parts
    assert all(parts[way][0] < 1e-10 < parts[way][-1] for way in WAYS["all"])


def test_runs_without_it_have_no_parts_and_the_key_that_they_had(train: Train, dataset: Dataset) -> None:
    plain: TrainedAdapter = finished(train())
    assert plain.parts == {}
    other = replace(dataset, trigger=replace(TRIGGER, class_word="object"))
    assert finished(train(data=other)).cached
    held, of_objects = finished(train(**WAYS["output"])), finished(train(data=other, **WAYS["output"]))
    assert not held.cached and not of_objects.cached


def test_without_masks_nothing_is_outside_them_and_it_is_said(train: Train, dataset: Dataset) -> None:
    bare = replace(dataset, records=tuple(replace(record, mask=None) for record in dataset))
    plain, held = finished(train(data=bare)), finished(train(data=bare, **WAYS["mask"]))
    assert held.cached and held.adapter.content_hash == plain.adapter.content_hash
    assert any("mask_preservation = 2 has no effect without masks" in note for note in held.notes)


def test_what_is_kept_is_told_before_the_first_step(train: Train) -> None:
    notes = finished(train(**WAYS["all"])).notes
    assert "output_preservation keeps what the base model makes of captions such as: a thing" in notes
    assert any("caption_dropout = 0.3 teaches the empty prompt the pictures" in note for note in notes)


def test_a_class_word_is_needed(train: Train, dataset: Dataset) -> None:
    for trigger in (None, replace(TRIGGER, class_word="")):
        with pytest.raises(CaptionError, match=r"3 of 3 pictures in things have no class word") as error:
            finished(train(data=replace(dataset, trigger=trigger), **WAYS["output"]))
        assert "LW_TriggerCaptions" in str(error.value)
    finished(train(data=replace(dataset, trigger=None), **WAYS["blank"]))


def test_sliders_refuse_it(base: Backbone, tmp_path: Path) -> None:
    from lora_workbench.engine.runs.sliders import train_prompt_slider
    from lora_workbench.engine.training.slider import PromptSlider

    slider = PromptSlider(positive="a big thing", negative="a small thing", neutral=("a thing",))
    events = train_prompt_slider(
        base, slider, RECIPE.changed(**WAYS["blank"]), pictures=1, seed=0, store=RunStore(tmp_path), name="x"
    )
    with pytest.raises(TrainingError, match=r"blank_preservation = 0\.5, which a slider can't have"):
        finished(events)


def test_the_report_has_each_part_and_its_share_at_the_end() -> None:
    report = parts_report({"subject": [0.4] * 10 + [0.3] * 10, "output_preservation": [float("nan")] * 2 + [0.1] * 18})
    assert report["output_preservation"] == {"first": 0.1, "last": 0.1, "share": 0.25}
    assert parts_in_words(report)[0] == "subject: 0.4 to 0.3, 75% of the loss at the end (the pictures to learn from)"
    assert parts_in_words(parts_report({})) == []
