"""Runs with companions: what is on when, what the file holds, and that they are part of the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from generators import finish
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.kinds import Difference, LowRank
from lora_workbench.engine.adapters.private import private
from lora_workbench.engine.adapters.stack import Role, Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.core.events import SamplesGenerated, StepDone
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(steps=2, learning_rate=1e-3, rank=4, alpha=2, batch_size=2, warmup_steps=0, schedule="constant")
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
TEXT = ("q_proj", "v_proj")


@pytest.fixture(scope="module")
def base(quick_sd1: Any) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    return dataset_from_images(images, [f"a zwx thing {n}" for n in range(3)], "colors")


@pytest.fixture
def train(base: Backbone, dataset: Dataset, tmp_path: Any) -> Callable[..., Any]:
    def start(*entries: StackEntry, recipe: Recipe = RECIPE, folder: str = "store", on: Any = base) -> Any:
        store = RunStore(tmp_path / folder)
        return train_adapter(on, dataset, recipe, seed=7, store=store, name="zwx", companions=Stack(entries))

    return start


def random_adapter(
    base: Backbone, name: str = "helper", *, text: bool = False, rank: int = 2, seed: int = 1
) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    modules = {}
    components = {"denoiser": base.denoiser} | ({"text_encoder": base.load_component("text_encoder")} if text else {})
    for key, layer in adaptable(components).items():
        if key.endswith(TARGETS if key.startswith("denoiser") else TEXT):
            out, inner = layer.weight.shape[:2]
            down, up = (0.3 * torch.randn(shape, generator=generator) for shape in ((rank, inner), (out, rank)))
            modules[key] = LowRank(down, up, float(rank))
    return Adapter(name=name, family="sd1", modules=modules)


def as_role(adapter: Adapter, role: Role, weight: float = 1.0) -> StackEntry:
    return StackEntry(adapter, weight, weight, role=role)


def pictures(events: list[Any]) -> list[bytes]:
    return [image.tobytes() for event in events if isinstance(event, SamplesGenerated) for image in event.images]


def drawn(base: Backbone, *stack: StackEntry) -> list[bytes]:
    """Pictures as the samples of a run are drawn."""
    defaults = base.info.generation
    request = GenerationRequest(prompts=("zwx thing",), steps=defaults.steps, guidance=defaults.guidance)
    return [picture.image.tobytes() for picture in finish(generate(base, request, Stack(stack)))[0]]


@pytest.mark.parametrize("text_encoder", [False, True])
@pytest.mark.parametrize("role", ["training_only", "context"])
def test_it_is_on_while_training_and_in_pictures_by_its_role(
    base: Backbone, train: Any, role: Role, text_encoder: bool
) -> None:
    helper = random_adapter(base, text=True)
    before = {name: value.clone() for name, value in base.denoiser.state_dict().items()}
    recipe = RECIPE.changed(
        train_text_encoder=text_encoder, sample_every=2, sample_prompts=("zwx thing",), learning_rate=1e-9,
        text_encoder_learning_rate=1e-9,
    )  # fmt: skip
    trained, events = finish(train(as_role(helper, role), recipe=recipe))
    plain, _ = finish(train(recipe=recipe))
    with applied(base, Stack((StackEntry(helper),))):
        wanted, _ = finish(train(recipe=recipe, folder="applied"))
    assert trained.losses == pytest.approx(wanted.losses, rel=1e-4)
    assert trained.losses != pytest.approx(plain.losses, rel=1e-2)
    # At so small a rate the adapter in training does nothing, so the pictures are those of the base and its context.
    assert pictures(events) == drawn(base, *([StackEntry(helper)] if role == "context" else []))
    assert all(torch.equal(value, before[name]) for name, value in base.denoiser.state_dict().items())
    assert not any("forward" in vars(module) for module in base.denoiser.modules())


def test_the_file_holds_the_trained_adapter_alone_and_names_its_companions(base: Backbone, train: Any) -> None:
    helper, style = random_adapter(base), random_adapter(base, "style", seed=2)
    trained, _ = finish(train(as_role(helper, "training_only"), as_role(style, "context", 0.5)))
    file = load_adapter(trained.adapter.path)
    assert {update.rank for update in file.modules.values()} == {RECIPE.adapter.rank}
    assert len(file.modules) == len(finish(train())[0].adapter.modules)
    facts = json.loads(file.metadata["lw.companions"])
    assert facts == [
        {"name": "style", "role": "context", "weight": 0.5, "hash": style.content_hash},
        {"name": "helper", "role": "training_only", "weight": 1.0, "hash": helper.content_hash},
    ]
    assert facts == trained.companions.facts()
    assert any("in the context of style with weight 0.5: use them together" in note for note in trained.notes)
    hidden = json.loads(private(file.metadata)["lw.companions"])
    assert hidden == [{key: fact[key] for key in ("role", "weight", "hash")} for fact in facts]
    (remark,) = Stack((StackEntry(file),)).remarks_on_training()
    assert "context of style" in remark


def test_they_are_part_of_the_run(base: Backbone, train: Any) -> None:
    helper = random_adapter(base)
    finish(train())
    first, _ = finish(train(as_role(helper, "training_only")))
    assert not first.cached
    again, _ = finish(train(as_role(replace(helper, name="renamed"), "training_only")))
    assert again.cached and again.companions.facts()[0]["name"] == "renamed"
    others = (
        as_role(helper, "context"),
        as_role(helper, "start_from"),
        as_role(helper, "training_only", 0.5),
        as_role(random_adapter(base, seed=2), "training_only"),
    )
    assert not any(finish(train(other))[0].cached for other in others)
    assert finish(train())[0].cached and finish(train(as_role(helper, "context", 0)))[0].cached


@pytest.mark.parametrize("text_encoder", [False, True])
def test_a_closed_run_goes_on_to_the_same_bits(base: Backbone, train: Any, text_encoder: bool) -> None:
    entries = [
        as_role(random_adapter(base, text=True, seed=seed), role, 0.5)
        for seed, role in enumerate(("training_only", "context", "start_from"), 1)
    ]
    recipe = RECIPE.changed(train_text_encoder=text_encoder, caption_dropout=0.3)
    whole, _ = finish(train(*entries, recipe=recipe, folder="whole"))
    events = train(*entries, recipe=recipe)
    while not (isinstance(event := next(events), StepDone) and event.step == 1):
        pass
    events.close()
    rest, _ = finish(train(*entries, recipe=recipe))
    assert rest.resumed_at == 1
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_training_starts_from_an_adapter(base: Backbone, train: Any) -> None:
    """The adapter that a short run begins with is the other one, at its weight."""
    start = random_adapter(base)
    recipe = RECIPE.changed(learning_rate=1e-9, weight_decay=0)
    trained, _ = finish(train(as_role(start, "start_from", 0.6), recipe=recipe))
    for key, update in start.modules.items():
        weight = torch.zeros(update.weight_shape)
        found = trained.adapter.modules[key].delta(weight)
        torch.testing.assert_close(found, 0.6 * update.delta(weight), rtol=1e-4, atol=1e-5)
    assert any("helper fills 2 of the 4 ranks" in note for note in trained.notes)
    kept = replace(start, modules=dict(list(start.modules.items())[:-1]))
    notes = finish(train(as_role(kept, "start_from"), recipe=recipe))[0].notes
    assert any("1 layer that helper lacks begin as usual" in note for note in notes)


def test_what_is_outside_the_targets_is_named(base: Backbone, train: Any) -> None:
    start = random_adapter(base, text=True)
    key = next(k for k, s in base.module_shapes().items() if k.endswith("ff.net.2"))
    out, inner = base.module_shapes()[key]
    modules = {**start.modules, key: LowRank(torch.ones(1, inner), torch.ones(out, 1), 1.0)}
    notes = finish(train(as_role(replace(start, modules=modules), "start_from")))[0].notes
    assert any(note.startswith("1 module of helper are outside the recipe's targets") and key in note for note in notes)
    assert any(note.startswith("The text-encoder part of helper is left out") for note in notes)


def test_odd_weights_families_and_repeats_are_named(base: Backbone, train: Any) -> None:
    helper = replace(random_adapter(base), family="sdxl")
    entries = (as_role(helper, "training_only", -1.0), as_role(helper, "context", 3.0), as_role(helper, "context", 0))
    notes = " ".join(finish(train(*entries))[0].notes)
    for words in (
        "isn't used: its weight is 0",
        "weight -1 of the companion helper reverses",
        "weight 3 of the companion helper is beyond 2",
        "was made for sdxl; this base model is sd1",
        "there twice, as context and as training_only",
    ):
        assert words in notes


def test_what_cannot_be_used_is_refused_before_the_first_step(base: Backbone, train: Any) -> None:
    helper = random_adapter(base)
    key = next(iter(helper.modules))
    wide = {key: LowRank(torch.ones(1, 999), torch.ones(999, 1), 1.0)}
    norm = next(k for k, s in base.module_shapes().items() if len(s) == 1)
    norms = {norm: Difference(torch.zeros(base.module_shapes()[norm]))}
    feed_forward = next(k for k in base.module_shapes() if k.endswith("ff.net.2"))
    out, inner = base.module_shapes()[feed_forward]
    outside = {feed_forward: LowRank(torch.ones(1, inner), torch.ones(out, 1), 1.0)}
    partly = {**helper.modules, "denoiser.blocks.0.attn.wq": helper.modules[key]}
    for entries, why in (
        ([as_role(replace(helper, modules=wide, family="flux1"), "training_only")], "It was made for flux1"),
        ([as_role(replace(helper, modules=partly), "training_only")], r"\d+ of its \d+ modules match"),
        ([as_role(replace(helper, modules=norms), "context")], "aren't linear layers"),
        ([as_role(random_adapter(base, rank=8), "start_from")], "set rank = 8"),
        ([as_role(replace(helper, modules=outside), "start_from")], "none of its layers are trained"),
        ([as_role(helper, "start_from"), as_role(helper, "start_from")], "at once"),
        ([as_role(helper, "")], "has no role"),
    ):
        with pytest.raises(AdapterError, match=why):
            next(train(*entries))


def test_a_half_precision_base_is_untouched(quick_sd1: Any, train: Any) -> None:
    half = registry.load_base(quick_sd1, device="cpu", precision="bf16")
    before = {name: value.clone() for name, value in half.denoiser.state_dict().items()}
    helper = random_adapter(half)
    finish(train(as_role(helper, "training_only"), as_role(helper, "context", 0.1), on=half))
    assert all(torch.equal(value, before[name]) for name, value in half.denoiser.state_dict().items())


@pytest.mark.parametrize("text_encoder", [False, True])
def test_what_is_preserved_has_the_companion(train: Any, base: Backbone, text_encoder: bool) -> None:
    recipe = RECIPE.changed(blank_preservation=1.0, train_text_encoder=text_encoder)
    helper = as_role(random_adapter(base, text=True), "context")
    trained, _ = finish(train(helper, recipe=recipe))
    first, *later = trained.parts["blank_preservation"]
    assert first < 1e-10 < later[-1]
