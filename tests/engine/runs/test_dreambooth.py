"""Full DreamBooth: all weights are trained beside the base model, resumed to the same bits, and load as a model."""

from __future__ import annotations

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.core.errors import BaseModelError, StorageError, TrainingError
from lora_workbench.engine.core.events import Message, SamplesGenerated, StateSaved, StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.from_parts import PartsBackbone
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.inventory import Wish, inventory, prune
from lora_workbench.engine.runs.need import Need
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(steps=4, learning_rate=1e-4, batch_size=2, warmup_steps=2, save_every=2, schedule="cosine")


def steps_of(events) -> list[int]:
    return [event.step for event in events if isinstance(event, StepDone)]


def weights_of(base: PartsBackbone) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in base.denoiser.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def base(quick_sd1) -> PartsBackbone:
    return registry.load_base(quick_sd1, device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    images = [Image.new("RGB", (40, 32), color) for color in ((200, 30, 30), (30, 160, 60), (40, 60, 200))]
    made = dataset_from_images(images, [f"a photo of zwx thing {i}" for i in range(3)], "colors")
    return replace(made, trigger=TriggerWord(word="zwx", class_word="thing"))


@pytest.fixture
def train(base, dataset, tmp_path):
    def start(recipe: Recipe = RECIPE, folder: str = "store", **others):
        others = {"base": base, "dataset": dataset, "name": "zwx", "seed": 7} | others
        return train_dreambooth(recipe=recipe, store=RunStore(tmp_path / folder), **others)

    return start


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(base, dataset, whole_store):
    """The run of ``RECIPE``."""
    return result(train_dreambooth(base, dataset, RECIPE, seed=7, store=RunStore(whole_store), name="zwx"))


@pytest.fixture
def before(whole, whole_store, tmp_path):
    """The same, which is in the store of ``train`` then."""
    shutil.copytree(whole_store, tmp_path / "store")
    return whole


@pytest.mark.parametrize("text_encoder", [False, True])
def test_all_weights_move_and_the_base_that_came_in_does_not(base, train, text_encoder):
    before = weights_of(base)
    trained, events = finish(train(RECIPE.changed(train_text_encoder=text_encoder)))
    assert steps_of(events) == [1, 2, 3, 4] and len(trained.losses) == 4
    assert same(before, weights_of(base))
    after = weights_of(trained.base)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == list(before)
    text = [base.load_component("text_encoder"), trained.base.load_component("text_encoder")]
    assert same(*(encoder.state_dict() for encoder in text)) != text_encoder
    assert trained.trigger == "zwx thing"


def test_the_loss_is_that_of_training_the_weights_themselves(tiny_sd1, dataset, tmp_path):
    """The masters in float32 change nothing: the first steps are those of a model whose own weights are trained."""
    recipe = Recipe.of(steps=3, learning_rate=1e-3, warmup_steps=0, max_grad_norm=0, weight_decay=0.01)
    base = registry.load_base(tiny_sd1, device="cpu")
    losses = result(train_dreambooth(base, dataset, recipe, seed=1, store=RunStore(tmp_path), name="x")).losses

    from lora_workbench.engine.core.cache import TensorCache
    from lora_workbench.engine.training.loss import StepLoss
    from lora_workbench.engine.training.training_set import encode

    subject = result(encode(base, dataset, base.info.resolution, TensorCache(tmp_path / "c"), embed=True))
    loss = StepLoss(backbone=base, recipe=recipe, subject=subject, prior=None, seed=1)
    parameters = list(base.denoiser.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01)
    expected = []
    for step in range(3):
        value = loss.of_micro_batch(step, 0)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append(value.item())
    assert losses == pytest.approx(expected, rel=1e-5)


def test_a_base_in_bf16_keeps_what_16_bits_would_lose(tiny_sd1, dataset, tmp_path):
    base = registry.load_base(tiny_sd1, device="cpu", precision="bf16")
    recipe = Recipe.of(steps=2, learning_rate=1e-7, warmup_steps=0)
    trained, _ = finish(train_dreambooth(base, dataset, recipe, seed=1, store=RunStore(tmp_path), name="x"))
    from safetensors.torch import load_file

    values = load_file(trained.weights.file)
    own = {f"denoiser.{name}": p.float() for name, p in base.denoiser.named_parameters()}
    assert all(value.dtype == torch.float32 for value in values.values())
    assert all(not torch.equal(values[name], own[name]) for name in own if own[name].any())
    assert trained.base.dtype == torch.bfloat16


def test_an_unchanged_run_is_not_trained_again(train, before):
    again, events = finish(train(name="other"))
    assert again.cached and steps_of(events) == [] and again.base.info.name == "other"
    assert again.base.info.content_hash == before.base.info.content_hash
    assert same(weights_of(again.base), weights_of(before.base)) and again.losses == before.losses


@pytest.mark.usefixtures("before")
def test_settings_of_adapters_do_not_train_again_and_are_named(train):
    again, events = finish(train(RECIPE.changed(rank=77, layers="to_q$")))
    assert again.cached
    told = [event.text for event in events if isinstance(event, Message)]
    assert any("rank = 77 has no effect" in text for text in told)
    assert any("layers = to_q$ has no effect" in text for text in told)


def test_a_run_of_an_adapter_is_another_run(base, dataset, train, tmp_path):
    from lora_workbench.engine.runs.key import Run

    runs = [Run(base=base, dataset=dataset, recipe=RECIPE, regularization=None, seed=7, whole=w) for w in (True, False)]
    assert runs[0].lineage != runs[1].lineage


@pytest.mark.parametrize(("text_encoder", "cuts"), [(False, (1, 2)), (True, (3,))])
def test_a_closed_run_goes_on_to_the_same_bits(train, text_encoder, cuts):
    """Before a state is saved in passing, with it, and after it."""
    recipe = RECIPE.changed(train_text_encoder=text_encoder, caption_dropout=0.3, batch_size=1, gradient_accumulation=2)
    whole = result(train(recipe, folder="whole"))
    for stop_after in cuts:
        closed_at(train(recipe, folder=f"stopped{stop_after}"), step_done(stop_after))
        rest, seen = finish(train(recipe, folder=f"stopped{stop_after}"))
        assert rest.resumed_at == stop_after and steps_of(seen)[0] == stop_after + 1
        assert rest.losses == whole.losses
        assert same(weights_of(rest.base), weights_of(whole.base))


def test_raising_the_steps_goes_on(train):
    constant = RECIPE.changed(schedule="constant", steps=3)
    result(train(constant))
    longer, events = finish(train(constant.changed(steps=4)))
    at_once = result(train(constant.changed(steps=4), folder="other"))
    assert steps_of(events) == [4]
    assert same(weights_of(longer.base), weights_of(at_once.base))


def test_checkpointed_blocks_change_no_bit(train, whole):
    again = result(train(RECIPE.changed(checkpointing="all")))
    assert whole.losses == again.losses and same(weights_of(whole.base), weights_of(again.base))


def test_samples_and_snapshots_show_the_model_in_training(train, tmp_path):
    recipe = RECIPE.changed(sample_every=2, sample_prompts=("a zwx",), snapshot_steps=(2,))
    _, events = finish(train(recipe))
    pictures = [event.images[0] for event in events if isinstance(event, SamplesGenerated)]
    assert len(pictures) == 2
    assert any(isinstance(event, StateSaved) for event in events)
    assert len([*(tmp_path / "store" / "runs").rglob("snapshots/*.safetensors")]) == 1


def test_regularization_pictures_count(train, whole):
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    kept = result(train(regularization=prior))
    assert kept.losses != whole.losses


@pytest.mark.usefixtures("before")
def test_the_result_is_kept_until_finished_runs_are_pruned(train, tmp_path):
    store = RunStore(tmp_path / "store")
    kinds = {item.kind for item in inventory(store)}
    assert {"model", "state"} <= kinds and "adapter" not in kinds
    prune(store, Wish(older_than=-1))
    assert {item.kind for item in inventory(store)} == {"model"}
    assert result(train()).cached
    prune(store, Wish(older_than=-1, adapters=True))
    assert inventory(store) == []


def test_a_damaged_result_is_trained_again(train, before, tmp_path):
    [file] = (tmp_path / "store").rglob(before.weights.file.name)
    file.write_bytes(b"x" * 100)
    again = result(train())
    assert not again.cached
    assert same(weights_of(again.base), weights_of(before.base))


def test_a_rate_of_zero_is_refused_before_the_store_has_it(train, tmp_path):
    recipe = RECIPE.changed(train_text_encoder=True, text_encoder_learning_rate=0.0, steps=1)
    trained = result(train(recipe))
    assert trained.base.info.name == "zwx"


def test_too_little_memory_is_refused_before_the_first_step(train, monkeypatch):
    monkeypatch.setattr("lora_workbench.engine.runs.need.free_memory", lambda device: 1_000_000)
    with pytest.raises(TrainingError, match=r"needs .* MB on cpu .* 1 MB are free") as refused:
        finish(train())
    assert "LW_TrainLoRA" in str(refused.value)


def test_a_step_that_does_not_fit_is_refused_before_the_first_step(train, monkeypatch, tmp_path):
    monkeypatch.setattr("lora_workbench.engine.runs.planning.free_memory", lambda device: 2_000_000)
    with pytest.raises(TrainingError, match="doesn't fit"):
        finish(train())
    assert not [*(tmp_path / "store" / "runs").rglob("*.safetensors")]


def test_too_little_disk_is_refused_before_the_first_step(train, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 5))
    with pytest.raises(StorageError, match="of free disk"):
        finish(train())


def test_a_quantized_base_is_refused(tiny_sd1, dataset, tmp_path):
    base = registry.load_base(tiny_sd1, device="cpu", precision="int8")
    with pytest.raises(BaseModelError, match="can't be trained in int8"):
        finish(train_dreambooth(base, dataset, RECIPE, seed=1, store=RunStore(tmp_path), name="x"))


def test_the_need_is_said(base, dataset):
    from lora_workbench.engine.runs.key import Run

    need = Need.of(Run(base=base, dataset=dataset, recipe=RECIPE, regularization=None, seed=0, whole=True))
    assert need.weights == sum(p.numel() for p in base.denoiser.parameters())
    assert need.memory == 16 * need.weights and need.disk == (2 * 12 + 4) * need.weights
    assert replace(need, itemsize=2).memory == 18 * need.weights
    assert "stays as it is" in str(need)


def test_a_transformer_is_trained_too(tmp_path: Path, dataset):
    from tiny import save_tiny_flux1

    base = registry.load_base(save_tiny_flux1(tmp_path / "flux"), device="cpu")
    recipe = Recipe.of(steps=1, learning_rate=1e-4, warmup_steps=0)
    trained = result(train_dreambooth(base, dataset, recipe, seed=1, store=RunStore(tmp_path / "s"), name="x"))
    before, after = weights_of(base), weights_of(trained.base)
    assert [name for name in before if not torch.equal(before[name], after[name])]
