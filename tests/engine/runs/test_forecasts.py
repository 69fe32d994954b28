"""Forecasts of runs that train all weights, and of sliders, beside what these runs take on the demo base."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from generators import result
from lora_workbench.engine.checkpoints.saving import save_checkpoint
from lora_workbench.engine.core.errors import BaseModelError, ConfigError, TrainingError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.memory.peak import peak_memory
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.from_parts import PartsBackbone
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.forecast import Forecast
from lora_workbench.engine.runs.forecasting import forecast
from lora_workbench.engine.runs.slider_forecasts import forecast_picture_slider, forecast_prompt_slider
from lora_workbench.engine.runs.sliders import train_picture_slider, train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from PIL import Image
from safetensors.torch import load_file

RECIPE = Recipe.of(steps=2, learning_rate=1e-4, rank=4, alpha=4, batch_size=2, warmup_steps=0, schedule="constant")
SLIDER = PromptSlider(
    positive="a big thing", negative="a small thing", neutral=("a thing", "a box"), preserve=("red", "blue")
)


@pytest.fixture(scope="module")
def base(demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> PartsBackbone:
    """The demo base, which draws in two steps."""
    folder = shutil.copytree(demo_base, tmp_path_factory.mktemp("quick") / "demo_base")
    declared = json.loads((folder / "lora_workbench.json").read_text())
    (folder / "lora_workbench.json").write_text(json.dumps(declared | {"generation": {"steps": 2}}))
    found = registry.load_base(folder, device="cpu", precision="fp32")
    assert isinstance(found, PartsBackbone)
    return found


def pictures(*colors: str) -> Dataset:
    return dataset_from_images([Image.new("RGB", (64, 64), color) for color in colors], ["a thing"] * len(colors), "x")


def kept(store: RunStore) -> dict[str, int]:
    """Bytes of tensors in the run store, by what they are: headers are large beside pictures as small as these."""
    found: dict[str, int] = {}
    for path in store.root.rglob("*.safetensors"):
        kind = "encoded" if "encoded" in path.parts else "state" if path.stem.endswith("state") else "result"
        found[kind] = found.get(kind, 0) + sum(tensor.nbytes for tensor in load_file(path).values())
    return found


@pytest.mark.parametrize("text_encoder", [False, True])
def test_all_weights_take_what_is_foretold(base: PartsBackbone, tmp_path: Path, text_encoder: bool) -> None:
    recipe, dataset = RECIPE.changed(train_text_encoder=text_encoder), pictures("red", "green", "navy")
    found: Forecast = result(forecast(base, dataset, recipe, store=RunStore(tmp_path / "plan"), whole=True))
    assert found.fits and found.need and found.trial and found.plan.needed

    store = RunStore(tmp_path / "run")
    with peak_memory(base.device) as peak:
        trained = result(train_dreambooth(base, dataset, recipe, seed=1, store=store, name="x"))
    files = kept(store)
    assert files["result"] == found.need.copies == found.report()["all_weights"]["result"]
    assert files["state"] == pytest.approx(found.need.state, rel=0.01)
    assert found.disk - found.need.state == pytest.approx(sum(files.values()), rel=0.01)

    saved = save_checkpoint(trained.base, tmp_path / "x.safetensors", dtype="float16", name="x")
    assert found.saved == pytest.approx(saved.stat().st_size, rel=0.02)

    assert found.trial.memory is not None and peak.size is not None
    assert 0.5 < found.plan.needed / found.trial.memory < 2  # memory that was freed before is taken again
    assert 0.4 < (found.plan.needed + found.need.copies) / peak.size < 1.5
    assert found.trial.seconds < 10 * trained.seconds / len(trained.losses) + 1


def test_all_weights_without_room_are_told_before_a_copy_is_made(
    base: PartsBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned() -> Any:
        return result(forecast(base, pictures("red"), RECIPE, store=RunStore(tmp_path), whole=True))

    monkeypatch.setattr("lora_workbench.engine.runs.forecasting.all_weights", lambda _: pytest.fail("copied"))
    with monkeypatch.context() as little:
        little.setattr("lora_workbench.engine.runs.need.free_memory", lambda device: 50_000_000)
        found = planned()
    assert not found.fits and found.trial is None and found.cards == {}
    assert "it doesn't fit: Training all weights of demo_base needs 95 MB on cpu" in str(found)
    assert "LW_TrainLoRA" in str(found)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 5, 5))
    assert "it doesn't fit: The run store has 0 MB of free disk" in str(planned())
    assert planned().report()["fits"] is False


def test_larger_cards_are_named_for_all_weights_and_8_bits_take_less(base: PartsBackbone, tmp_path: Path) -> None:
    store, settings = RunStore(tmp_path), {"whole": True, "trial": False}
    plain = result(forecast(base, pictures("red"), RECIPE, store=store, **settings))
    assert [*plain.cards] == ["16 GB", "24 GB", "48 GB", "80 GB"]
    less = result(forecast(base, pictures("red"), RECIPE.changed(optimizer="adamw_8bit"), store=store, **settings))
    assert less.need.memory < 0.7 * plain.need.memory
    assert less.plan.needed < 0.75 * plain.plan.needed
    adapters = [
        result(forecast(base, pictures("red"), RECIPE.changed(optimizer=name), store=store, trial=False))
        for name in ("adamw", "adafactor")
    ]
    assert adapters[1].disk < adapters[0].disk


def test_what_cannot_be_trained_whole_is_refused(demo_base: Path, tmp_path: Path) -> None:
    quantized = registry.load_base(demo_base, device="cpu", precision="int8")
    with pytest.raises(BaseModelError, match="can't be trained in int8"):
        result(forecast(quantized, pictures("red"), RECIPE, store=RunStore(tmp_path), whole=True))


def test_a_slider_between_prompts_takes_what_is_foretold(base: PartsBackbone, tmp_path: Path) -> None:
    plan, store = RunStore(tmp_path / "plan"), RunStore(tmp_path / "run")
    found = result(forecast_prompt_slider(base, SLIDER, RECIPE, pictures=3, store=plan))
    assert not plan.class_pictures.exists()
    assert "First it generates 3 pictures of 64 x 64 pixels" in str(found)
    trained = result(train_prompt_slider(base, SLIDER, RECIPE, pictures=3, seed=1, store=store, name="size"))
    assert found.steps == len(trained.losses)
    assert found.disk == pytest.approx(sum(kept(store).values()), rel=0.02)


def test_a_slider_between_pictures_takes_what_is_foretold(base: PartsBackbone, tmp_path: Path) -> None:
    ends, store = (pictures("red", "green"), pictures("navy", "teal")), RunStore(tmp_path / "run")
    found = result(forecast_picture_slider(base, *ends, RECIPE, prompts=(), store=RunStore(tmp_path / "plan")))
    result(train_picture_slider(base, *ends, RECIPE, prompts=(), name="hue", seed=1, store=store))
    assert found.disk == pytest.approx(sum(kept(store).values()), rel=0.02)
    assert found.notes == ()


def test_a_slider_takes_more_passes_in_the_same_memory(base: PartsBackbone, tmp_path: Path, monkeypatch) -> None:
    """Two passes with gradients and three predictions of the base model, one after the other."""
    calls: list[bool] = []
    predict = base.predict
    monkeypatch.setattr(base, "predict", lambda x, *more: calls.append(len(x) > 0) or predict(x, *more))
    store = RunStore(tmp_path)
    plain = result(forecast(base, pictures("red"), RECIPE, store=store))
    of_plain = len(calls)
    slider = result(forecast_prompt_slider(base, SLIDER, RECIPE, pictures=3, store=store))
    assert (len(calls) - of_plain - 1, of_plain - 1) == (2 * 5, 2)
    assert slider.demand.activations == pytest.approx(plain.demand.activations, rel=0.1)


def test_what_a_slider_cannot_have_is_refused(base: PartsBackbone, tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(ConfigError, match="1 picture for"):
        result(forecast_prompt_slider(base, SLIDER, RECIPE, pictures=1, store=store))
    with pytest.raises(TrainingError, match="trains the text encoder"):
        recipe = RECIPE.changed(train_text_encoder=True)
        result(forecast_prompt_slider(base, SLIDER, recipe, pictures=3, store=store))
