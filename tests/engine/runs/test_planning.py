"""Runs under memory plans: the same bits, more room when it is needed, and forecasts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.core.events import Event, Message
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.forecasting import forecast
from lora_workbench.engine.runs.key import Run as Inputs
from lora_workbench.engine.runs.planning import encoded_largest_step, is_worth_counting
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from safetensors.torch import load_file

RECIPE = Recipe.of(steps=3, learning_rate=1e-2, rank=2, alpha=2, batch_size=2, warmup_steps=0, schedule="constant")
Run = Generator[Event, None, TrainedAdapter]


@pytest.fixture
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    return dataset_from_images(pictures, ["a thing", "a green thing", "a thing at night"], "colors")


@pytest.fixture
def train(base: Backbone, dataset: Dataset, tmp_path: Path) -> Callable[..., Run]:
    def start(folder: str, **settings: Any) -> Run:
        store = RunStore(tmp_path / folder)
        return train_adapter(base, dataset, RECIPE.changed(**settings), seed=7, store=store, name="x")

    return start


@pytest.fixture(scope="module")
def plain(quick_sd1: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Any]:
    """Whether the text encoder is trained -> the run that does nothing about its memory."""

    @cache
    def run(text_encoder: bool) -> Any:
        base = with_own_weights(registry.load_base(quick_sd1, device="cpu", precision="fp32"))
        recipe = RECIPE.changed(train_text_encoder=text_encoder)
        store = RunStore(tmp_path_factory.mktemp("plain"))
        return result(train_adapter(base, dataset, recipe, seed=7, store=store, name="x"))

    return run


def with_own_weights(base: Backbone) -> Backbone:
    """Weights mapped from a file lie at odd addresses, with other last bits."""
    for parameter in base.denoiser.parameters():
        parameter.data = parameter.data.clone()
    return base


@pytest.mark.parametrize(("checkpointing", "text_encoder"), [("3", False), ("all", True)])
def test_checkpointing_changes_no_bit(train, base: Backbone, plain, checkpointing: str, text_encoder: bool) -> None:
    with_own_weights(base)
    less, seen = finish(train("less", checkpointing=checkpointing, train_text_encoder=text_encoder))
    assert less.losses == plain(text_encoder).losses
    assert less.adapter.content_hash == plain(text_encoder).adapter.content_hash
    told = [event.text for event in seen if isinstance(event, Message)]
    assert any("are computed again; a step needs about" in text for text in told)
    assert "computed again" in less.memory


@pytest.mark.parametrize("streaming", ["3", "all"])
def test_streaming_changes_no_bit(train, base: Backbone, plain, streaming: str) -> None:
    with_own_weights(base)
    less = result(train("less", streaming=streaming, sample_every=2, sample_prompts=("a thing",)))
    assert less.losses == plain(False).losses
    assert less.adapter.content_hash == plain(False).adapter.content_hash
    assert "stream in from host memory" in less.memory
    assert all(parameter.untyped_storage().nbytes() for parameter in base.denoiser.parameters())


def test_streaming_that_has_no_effect_is_named(train, base: Backbone, monkeypatch) -> None:
    monkeypatch.setattr(type(base), "offloads_by_itself", True)
    trained, seen = finish(train("native", streaming="all"))
    assert "streaming = all has no effect here" in trained.memory
    assert any("no effect here" in event.text for event in seen if isinstance(event, Message))


def test_a_run_goes_on_under_another_plan_to_the_same_bits(train, base: Backbone, plain) -> None:
    with_own_weights(base)
    closed_at(train("stopped", checkpointing="all"), step_done(2))
    resumed = result(train("stopped"))
    assert resumed.resumed_at == 2
    assert resumed.losses == plain(False).losses
    assert resumed.adapter.content_hash == plain(False).adapter.content_hash


def test_a_step_that_runs_out_of_memory_is_done_again_with_less(train, base: Backbone, plain, monkeypatch) -> None:
    with_own_weights(base)
    predict, calls = base.predict, iter(range(100))

    def short_of_memory(*arguments: Any) -> torch.Tensor:
        if next(calls) in (1, 2):
            torch.empty(2**50, dtype=torch.uint8)  # the allocator's own error
        return predict(*arguments)

    monkeypatch.setattr(base, "predict", short_of_memory)
    repeated, seen = finish(train("repeated"))
    told = [event.text for event in seen if isinstance(event, Message) and "ran out of memory" in event.text]
    assert len(told) == 2
    assert "computed again" in told[0]
    assert repeated.losses == plain(False).losses
    assert repeated.adapter.content_hash == plain(False).adapter.content_hash
    assert not any("forward" in vars(module) for module in base.denoiser.modules())


def test_a_model_that_cannot_be_counted_is_trained_as_the_recipe_says(train, base: Backbone, monkeypatch) -> None:
    predict = base.predict

    def by_value(x_t: torch.Tensor, *more: Any) -> torch.Tensor:
        return predict(x_t * (1.0 if x_t.sum().item() > -1e9 else 2.0), *more)

    monkeypatch.setattr(base, "predict", by_value)
    trained, _ = finish(train("uncounted", checkpointing="all"))
    assert "can't be counted for this model (DataDependentOutputException)" in trained.memory
    assert "all" in trained.memory


def test_a_forecast_leaves_no_trace(base: Backbone, dataset: Dataset, train, tmp_path: Path) -> None:
    before, _ = finish(train("before"))
    found, _ = finish(forecast(base, dataset, RECIPE, store=RunStore(tmp_path / "plan")))
    after, _ = finish(train("after"))
    assert after.adapter.content_hash == before.adapter.content_hash
    assert found.plan.fits
    assert found.steps == 3
    assert found.trial
    assert 0 < found.trial.seconds < 10
    assert found.demand.blocks
    assert found.report()["cards"]["8 GB"] == "weights in 16 bits, all activations kept"
    assert "a trial step took" in str(found)


def test_nothing_is_encoded_for_a_plan_that_is_not_counted(base: Backbone, dataset: Dataset, tmp_path: Path) -> None:
    run = Inputs(base=base, dataset=dataset, recipe=RECIPE.changed(resolution=32), regularization=None, seed=0)
    assert not is_worth_counting(run)
    for counts in (False, True):
        store = RunStore(tmp_path / str(counts))
        step, _ = finish(encoded_largest_step(run, store, counts=counts))
        assert step.size == (32, 32)
        assert (step.conditioning is not None) == counts == bool(list(store.encoded.folder.rglob("*.safetensors")))


def test_more_pictures_need_more_and_fewer_bits_come_after_checkpointing(
    base: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    def of(batch_size: int) -> Any:
        recipe = RECIPE.changed(batch_size=batch_size)
        return finish(forecast(base, dataset, recipe, store=RunStore(tmp_path), trial=False))[0]

    small, large = of(1), of(8)
    assert 6 < large.demand.activations / small.demand.activations < 8.5
    assert small.trial is None
    assert "trial" not in str(small)


@pytest.mark.parametrize("changes", [{}, {"caption_shuffle": 6, "snapshot_every": 1, "keep_snapshots": 2}])
def test_the_disk_is_what_a_run_takes(base: Backbone, train, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Headers of files come on top: the pictures here are so small that they are large beside them."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    dataset = dataset_from_images(pictures, ["a thing, red, small, new", "a green thing", "a thing, dark"], "colors")
    recipe, store = RECIPE.changed(**changes), RunStore(tmp_path / "run")
    found, _ = finish(forecast(base, dataset, recipe, store=RunStore(tmp_path / "plan"), trial=False))
    finish(train_adapter(base, dataset, recipe, seed=7, store=store, name="x"))
    files = [path for path in store.root.rglob("*.safetensors") if path.is_file()]
    assert found.disk == pytest.approx(sum(map(tensor_bytes, files)), rel=0.02)


def tensor_bytes(file: Path) -> int:
    return sum(tensor.nbytes for tensor in load_file(file).values())
