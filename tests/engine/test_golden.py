"""What is computed is what it was under the same version: results are kept by keys that hold the version.

When a value changes on purpose, raise the computation's version in ``engine/core/keys.py`` and add the new values to
``tests/golden.json`` below the new version; ``GOLDEN_UPDATE=1 pytest tests/engine/test_golden.py`` writes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from courses import COURSES, measured
from lora_workbench.engine.adapters.kinds import Lora
from lora_workbench.engine.adapters.stack import Stack
from lora_workbench.engine.captions.captioners import open_captioner
from lora_workbench.engine.captions.contract import CaptionOptions
from lora_workbench.engine.captions.reaction import reactions
from lora_workbench.engine.core.cache import PictureCache, TensorCache
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.core.keys import VERSIONS, Computation
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.evaluation.early_stop import early_end
from lora_workbench.engine.evaluation.picture_losses import picture_losses
from lora_workbench.engine.evaluation.predicting import Predictor
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.generation.kept import kept_columns
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.embedding import train_embedding
from lora_workbench.engine.runs.holding_out import held_apart
from lora_workbench.engine.runs.sliders import train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from lora_workbench.engine.training.training_set import encode
from PIL import Image
from tiny_captioners import save_tiny_wd14

FILE = Path(__file__).parents[1] / "golden.json"


def finish(events) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def gradient(size: int = 32) -> Image.Image:
    return Image.linear_gradient("L").resize((size, size)).convert("RGB")


def thumbprint(tensor: torch.Tensor) -> list[float]:
    flat = tensor.detach().float().flatten()
    return [flat.mean().item(), flat.std().item(), *flat[:: max(1, len(flat) // 6)][:6].tolist()]


def run(base, folder: Path) -> list[float]:
    """Losses of eight steps with everything that a usual recipe has."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    dataset = dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    recipe = Recipe.of(
        steps=8, learning_rate=1e-2, rank=4, alpha=8, batch_size=2, gradient_accumulation=2, warmup_steps=2,
        schedule="linear", targets="attention_and_feed_forward", caption_dropout=0.2,
    )  # fmt: skip
    events = train_adapter(base, dataset, recipe, seed=5, store=RunStore(folder), name="golden", regularization=prior)
    return [event.loss for event in events if isinstance(event, StepDone)]


def slider(base, folder: Path) -> list[float]:
    """Losses of four steps, at both ends and with attributes to preserve."""
    ends = PromptSlider(
        positive="a big thing", negative="a small thing", neutral=("a thing",), preserve=("red", "green"), guidance=2.0
    )
    recipe = Recipe.of(steps=4, learning_rate=1e-2, rank=4, alpha=2, batch_size=2, warmup_steps=0)
    events = train_prompt_slider(base, ends, recipe, pictures=2, seed=5, store=RunStore(folder), name="golden")
    return [event.loss for event in events if isinstance(event, StepDone)]


def whole_model(base, folder: Path) -> list[float]:
    """Losses of twenty steps of all weights, text encoder included, with prior preservation."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    dataset = dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    recipe = Recipe.of(
        steps=20, learning_rate=1e-3, text_encoder_learning_rate=1e-4, batch_size=2, warmup_steps=2,
        train_text_encoder=True,
    )  # fmt: skip
    events = train_dreambooth(base, dataset, recipe, seed=5, store=RunStore(folder), name="x", regularization=prior)
    return [event.loss for event in events if isinstance(event, StepDone)]


def word(base, folder: Path) -> list[float]:
    """Losses of twenty steps of a word's two vectors."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    captioned = dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")
    dataset = replace(captioned, trigger=TriggerWord(word="zwx", class_word="thing"))
    recipe = Recipe.of(steps=20, learning_rate=1e-2, text_encoder_learning_rate=1e-2, batch_size=2, warmup_steps=2)
    events = train_embedding(
        base, dataset, recipe, vectors=2, begins_as="", seed=5, store=RunStore(folder), name="golden"
    )
    return [event.loss for event in events if isinstance(event, StepDone)]


def latent(base, folder: Path) -> list[float]:
    dataset = dataset_from_images([gradient(40)], ["x"], "gradient")
    return thumbprint(finish(encode(base, dataset, 32, TensorCache(folder), embed=False)).latents[0][0])


def weight(base, folder: Path) -> list[float]:
    mask = dataset_from_images([gradient()], ["x"], "gradient")
    masked = finish(with_masks(mask, "files", 0.25, [gradient().convert("L")])).dataset
    encoded = finish(encode(base, masked, 32, TensorCache(folder), embed=False))
    return thumbprint(encoded.weights[0][0])


def embedding(base, folder: Path) -> list[float]:
    dataset = dataset_from_images([gradient()], ["a photo of a fox"], "gradient")
    encoded = finish(encode(base, dataset, 32, TensorCache(folder), embed=True))
    return thumbprint(encoded.embeddings["a photo of a fox"]["states"])


def reaction(base, folder: Path) -> list[float]:
    return [finish(reactions(base, [word], TensorCache(folder)))[word].value for word in ("fox", "zwxq")]


def caption(base, folder: Path) -> list[str]:
    del base
    captioner = open_captioner(save_tiny_wd14(folder), device="cpu")
    return [captioner.caption(gradient(), CaptionOptions(threshold=0.4))]


def class_pictures(base, folder: Path) -> list[float]:
    del folder
    [made] = finish(generate(base, GenerationRequest(prompts=("a fox",), seeds=(3,), steps=3)))
    return (np.asarray(made.image)[::8, ::16] / 255).flatten().tolist()


def learning_rate(base, folder: Path) -> list[float]:
    """How far losses of a search fall, in percent, before they rise."""
    dataset = dataset_from_images([gradient()], ["a zwx thing"], "gradient")
    recipe = Recipe.of(steps=1, learning_rate="auto", rank=4, alpha=4)
    found = finish(train_adapter(base, dataset, recipe, seed=5, store=RunStore(folder), name="golden")).range_test
    return [100 * (1 - loss) for loss in found.losses[:60:6]]


def held_out(base, folder: Path) -> list[float]:
    """Which of ten pictures a share holds out, by number."""
    del base
    blocks = np.random.default_rng(1).integers(0, 255, (10, 5, 5, 3), np.uint8)
    pictures = [Image.fromarray(own).resize((40, 40), Image.Resampling.NEAREST) for own in blocks]
    dataset = dataset_from_images(pictures, [f"{n}" for n in range(10)], "blocks")
    _, held = finish(held_apart(dataset, Recipe.of(held_out=0.3), RunStore(folder)))
    return [float(record.caption) for record in held]


def figures(base, folder: Path) -> list[float]:
    """Losses of two pictures with and without an adapter, and its drift."""
    pictures = [gradient(), Image.new("RGB", (32, 32), "red")]
    captioned = dataset_from_images(pictures, ["a photo of a zwx fox"] * 2, "two")
    dataset = replace(captioned, trigger=TriggerWord(word="zwx", class_word="fox"))
    recipe = Recipe.of(steps=8, learning_rate=1e-2, rank=4, alpha=4, measures=True)
    events = train_adapter(base, dataset, recipe, seed=5, store=RunStore(folder), name="golden")
    [found] = finish(events).figures
    return [found.drift, *(loss for own in found.pictures for loss in (*own.adapted, *own.base))]


def early_stop(base, folder: Path) -> list[float]:
    """(last step, step to use) of each course by patience; zeros where it goes on."""
    ends = [early_end(measured(name), patience) for name in COURSES for patience in (1, 2, 3)]
    return [float(step) for end in ends for step in ((end.step, end.best) if end else (0, 0))]


def drawn(base, folder: Path) -> list[float]:
    """A picture of a comparison."""
    request = GenerationRequest(prompts=("a fox",), seeds=(3,), steps=3)
    [column] = finish(kept_columns(base, [request], [Stack], PictureCache(folder)))
    return (np.asarray(column.pictures[0].image)[::8, ::16] / 255).flatten().tolist()


def losses_of_pictures(base, folder: Path) -> list[float]:
    """Of the base model, told the caption and not, by band."""
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "lime")], ["a photo of fox 1"], "one")
    encoded = finish(encode(base, dataset, 32, TensorCache(folder), embed=True))
    predictor = Predictor(backbone=base, batch=1, guidance=1.0)
    [known] = finish(picture_losses(predictor, encoded, dataset.records, seed=0, label=""))
    return [*known.told, *known.untold]


PROBES: dict[Computation, Callable[..., list[Any]]] = {
    "run": run,
    "slider": slider,
    "whole model": whole_model,
    "word": word,
    "latent": latent,
    "weight": weight,
    "embedding": embedding,
    "reaction": reaction,
    "caption": caption,
    "class pictures": class_pictures,
    "learning rate": learning_rate,
    "held out": held_out,
    "figures": figures,
    "early stop": early_stop,
    "drawn": drawn,
    "picture losses": losses_of_pictures,
}


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def golden() -> dict[str, dict[str, list[Any]]]:
    return json.loads(FILE.read_text())


@pytest.mark.parametrize("computation", VERSIONS)
def test_values_are_those_of_the_version(computation: Computation, base, tmp_path: Path):
    values, version = PROBES[computation](base, tmp_path), str(VERSIONS[computation])
    if os.environ.get("GOLDEN_UPDATE"):
        kept = golden() if FILE.exists() else {}
        kept.setdefault(computation, {})[version] = [v if isinstance(v, str) else float(f"{v:.7g}") for v in values]
        FILE.write_text(json.dumps(kept, indent=1) + "\n")
    known = golden()[computation]
    assert version in known, f"{computation} has version {version}: add its values to {FILE.name}"
    assert values == (known[version] if computation == "caption" else pytest.approx(known[version], rel=2e-3, abs=2e-3))


def test_another_initialization_would_be_noticed(base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin = Lora.begin

    def halved(self, shape, weight, **how):
        first = begin(self, shape, weight, **how)
        return first | {"down": first["down"] / 2}

    monkeypatch.setattr(Lora, "begin", halved)
    assert run(base, tmp_path) != pytest.approx(golden()["run"][str(VERSIONS["run"])], rel=2e-3, abs=2e-3)


def test_a_raised_version_trains_again(base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dataset = dataset_from_images([gradient()], ["x"], "gradient")

    def train():
        recipe = Recipe.of(steps=1, rank=2, alpha=2)
        return finish(train_adapter(base, dataset, recipe, seed=1, store=RunStore(tmp_path), name="x"))

    assert [train().cached, train().cached] == [False, True]
    monkeypatch.setitem(VERSIONS, "run", VERSIONS["run"] + 1)
    assert [train().cached, train().cached] == [False, True]
