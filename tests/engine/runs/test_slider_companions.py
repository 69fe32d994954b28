"""Sliders beside companions: what is on in the neutral pictures, while training, in samples and in the strip."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Role, Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.core.events import SamplesGenerated
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.generation.strips import strip
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.sliders import train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from PIL import Image

RECIPE = Recipe.of(steps=3, learning_rate=1e-9, rank=2, alpha=2, batch_size=2, warmup_steps=0)
ENDS = PromptSlider(positive="a big thing", negative="a small thing", neutral=("a thing",))


def finish(events: Any) -> tuple[Any, list[Any]]:
    """(what the generator returned, the events that it yielded)."""
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value, seen


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu")


@pytest.fixture(scope="module")
def helper(base: Backbone) -> Adapter:
    """An adapter with random values on denoiser and text encoder."""
    generator = torch.Generator().manual_seed(1)
    modules: dict[str, Any] = {}
    for key, layer in adaptable(base.load_components()).items():
        if key.endswith(("to_q", "to_v", "q_proj", "v_proj")):
            out, inner = layer.weight.shape
            down, up = (0.3 * torch.randn(shape, generator=generator) for shape in ((2, inner), (out, 2)))
            modules[key] = LowRank(down, up, 2.0)
    return Adapter(name="helper", family="sd1", modules=modules)


@pytest.fixture
def train(base: Backbone, tmp_path: Path) -> Callable[..., Any]:
    def start(*companions: StackEntry, recipe: Recipe = RECIPE, folder: str = "store") -> Any:
        store = RunStore(tmp_path / folder)
        named = {"pictures": 2, "seed": 7, "name": "size", "companions": Stack(companions)}
        return train_prompt_slider(base, ENDS, recipe, store=store, **named)

    return start


def pixels(picture: Image.Image) -> Any:
    return np.asarray(picture).astype(int)


def drawn(base: Backbone, *entries: StackEntry) -> Any:
    """Pixels with a stack, as the samples of a run are drawn."""
    usual = base.info.generation
    request = GenerationRequest(prompts=("a thing",), steps=usual.steps, guidance=usual.guidance)
    return pixels(finish(generate(base, request, Stack(entries)))[0][0].image)


@pytest.mark.parametrize("role", ["training_only", "context"])
def test_a_companion_is_on_while_training_and_in_pictures_by_its_role(
    base: Backbone, helper: Adapter, train: Any, role: Role, tmp_path: Path
) -> None:
    sampling = RECIPE.changed(sample_every=3, sample_prompts=("a thing",))
    run, events = finish(train(StackEntry(helper, role=role), recipe=sampling))
    plain, _ = finish(train(folder="plain"))
    if role == "training_only":  # neutral pictures are those of the base alone
        plain_store, other = (RunStore(tmp_path / folder) for folder in ("plain", "applied"))
        shutil.copytree(plain_store.class_pictures, other.class_pictures)
    with applied(base, Stack((StackEntry(helper),))):
        beside, _ = finish(train(folder="applied"))
    assert run.losses == pytest.approx(beside.losses, rel=1e-4)
    assert run.losses != pytest.approx(plain.losses, rel=1e-2)
    # At so small a rate the slider does nothing at either end.
    [shown] = [event.images for event in events if isinstance(event, SamplesGenerated)]
    wanted = drawn(base, *([StackEntry(helper)] if role == "context" else []))
    assert all(abs(pixels(picture) - wanted).max() <= 1 for picture in shown)
    assert abs(drawn(base, StackEntry(helper)) - drawn(base)).max() > 5


def test_a_strip_shows_the_slider_in_its_context(base: Backbone, helper: Adapter, train: Any) -> None:
    run, _ = finish(train(StackEntry(helper, 0.5, 0.5, role="context"), StackEntry(helper, role="training_only")))
    usual = base.info.generation
    request = GenerationRequest(prompts=("a thing",), steps=usual.steps, guidance=usual.guidance)
    columns, _ = finish(strip(base, request, run.adapter, (-1.0, 0.0), run.companions.context))
    within = StackEntry(helper, 0.5, 0.5)
    reversed_, without = (pixels(column[0].image) for column in columns)
    assert abs(reversed_ - drawn(base, within, StackEntry(run.adapter, -1.0, -1.0))).max() <= 1
    assert abs(without - drawn(base, within)).max() <= 1
    assert abs(without - drawn(base)).max() > 5


def test_the_file_holds_the_slider_alone_and_names_its_companions(helper: Adapter, train: Any) -> None:
    run, _ = finish(train(StackEntry(helper, role="context")))
    file = load_adapter(run.adapter.path)
    assert file.is_slider and all(key.startswith("denoiser.") for key in file.modules)
    assert [fact["name"] for fact in run.companions.facts()] == ["helper"]
    [remark] = Stack((StackEntry(file),)).remarks_on_training()
    assert "trained in the context of helper" in remark


def test_it_starts_from_another_slider(train: Any) -> None:
    learning = RECIPE.changed(learning_rate=1e-2)
    first, _ = finish(train(recipe=learning))
    going_on, _ = finish(train(StackEntry(first.adapter, role="start_from"), recipe=learning))
    assert going_on.losses[0] != first.losses[0]
    assert going_on.adapter.content_hash != first.adapter.content_hash


def test_a_companion_without_a_role_is_refused_before_anything_is_generated(
    helper: Adapter, train: Any, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="has no role"):
        next(train(StackEntry(helper)))
    assert not list(tmp_path.rglob("*.png"))
