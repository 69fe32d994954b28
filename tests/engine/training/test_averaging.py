"""The moving average of what is trained: its formula, what shows it, and that training doesn't notice it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.adapters.files import read_file
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.events import SamplesGenerated, StateSaved
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.forecasting import forecast
from lora_workbench.engine.runs.key import Run
from lora_workbench.engine.runs.need import Need
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.averaging import Average, decay_at
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.state import TrainingState
from PIL import Image
from torch import Tensor, nn

RECIPE = Recipe.of(
    steps=4, learning_rate=1e-2, rank=4, alpha=4, warmup_steps=0, targets="attention", ema_decay=0.3, save_every=1
)  # fmt: skip
Train = Callable[..., Any]


@pytest.fixture(scope="module")
def bases(quick_sd1: Path) -> Callable[[str], Any]:
    """The base model in a precision."""
    return cache(lambda precision: registry.load_base(quick_sd1, device="cpu", precision=precision))


@pytest.fixture
def train(bases: Callable[[str], Any], tmp_path: Path) -> Train:
    """A training of an adapter; ``whole`` trains all weights."""
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    dataset = dataset_from_images(pictures, ["a thing"] * 3, "colors")

    def start(folder: str, precision: str = "fp32", whole: bool = False, **settings: Any) -> Any:
        begin = train_dreambooth if whole else train_adapter
        recipe, store = RECIPE.changed(**settings), RunStore(tmp_path / folder)
        return begin(bases(precision), dataset, recipe, seed=7, store=store, name="x")

    return start


def with_states(events: Any) -> tuple[Any, list[TrainingState]]:
    """(the result of a training, its states in order, each of which replaces the file of the one before)."""
    states = []
    while True:
        try:
            event = next(events)
        except StopIteration as done:
            return done.value, states
        if isinstance(event, StateSaved):
            states.append(TrainingState.load(event.path))


def tensors(path: Path) -> dict[str, Tensor]:
    return read_file(path)[0]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_warms_up_to_its_decay() -> None:
    assert [decay_at(step, 0.9999) for step in (0, 8, 890)] == [0.1, 0.5, 0.99]
    assert decay_at(8, 0.2) == 0.2


def test_a_step_that_the_device_left_out_does_not_count() -> None:
    average = Average({"w": nn.Parameter(torch.ones(2))}, 0.9)
    average._parameters["w"].data += 1
    average.follow(0, torch.tensor(1.0))
    assert average.values["w"].tolist() == [1, 1]
    average.follow(0, torch.tensor(0.0))
    assert average.values["w"].tolist() == pytest.approx([1.9, 1.9])


def test_a_run_averages_what_its_steps_leave(train: Train) -> None:
    made, states = with_states(train("store", gradient_accumulation=2))
    assert len(states) == 4
    for name, value in states[0].values.items():
        if name.endswith(".up"):  # begins at zero
            assert torch.allclose(states[0].average[name], 0.9 * value)
        expected = states[0].average[name].double()
        for step, state in enumerate(states[1:], start=1):
            decay = min(0.3, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * state.values[name].double()
        assert torch.allclose(states[-1].average[name].double(), expected, atol=1e-7)
        alike = [tensor for tensor in tensors(made.adapter.path).values() if tensor.shape == value.shape]
        assert any(torch.equal(tensor, states[-1].average[name]) for tensor in alike)


def test_training_does_not_notice_it(train: Train) -> None:
    plain, plain_states = with_states(train("plain", ema_decay=0.0))
    averaged, states = with_states(train("averaged"))
    assert averaged.losses == plain.losses
    for without, beside in zip(plain_states, states, strict=True):
        assert same(dict(without.values), dict(beside.values))
        assert not without.average and beside.average
    assert averaged.adapter.content_hash != plain.adapter.content_hash


def test_files_and_sample_pictures_show_it_by_choice(train: Train) -> None:
    def made(ema_in: str, decay: float = 0.9) -> tuple[Any, bytes]:
        trained, events = finish(
            train(
                ema_in, ema_decay=decay, ema_in=ema_in, sample_every=4, sample_prompts=("a thing",), learning_rate=0.5
            )
        )
        [picture] = [event.images[0] for event in events if isinstance(event, SamplesGenerated)]
        return tensors(trained.adapter.path), picture.tobytes()

    (both, both_shown), (file, file_shown) = made("files_and_samples"), made("files")
    samples, samples_shown = made("samples")
    assert same(both, file) and not same(both, samples)
    assert both_shown == samples_shown != file_shown


def test_a_snapshot_is_what_a_shorter_run_gives(train: Train, tmp_path: Path) -> None:
    result(train("long", snapshot_steps=(3,)))
    [snapshot] = (tmp_path / "long").rglob("snapshots/*.safetensors")
    assert same(tensors(snapshot), tensors(result(train("short", steps=3)).adapter.path))


CASES: dict[str, dict[str, Any]] = {
    "lora": {"init": "pissa"}, "dora": {"optimizer": "lion"}, "loha": {"precision": "bf16"},
    "lokr": {"precision": "fp16"}, "oft": {}, "gralora": {}, "all weights": {"whole": True, "learning_rate": 1e-4},
}  # fmt: skip
"""Kind of adapter, or all weights -> settings, so that every one is trained once with some kind."""


def test_there_is_a_case_of_every_kind() -> None:
    assert {*CASES} == {kind.name for kind in TRAINED} | {"all weights"}


@pytest.mark.parametrize("trained", CASES)
def test_it_goes_on_to_the_same_bits(train: Train, trained: str) -> None:
    whole_model = trained == "all weights"
    settings = CASES[trained] | {"steps": 3, "save_every": 100} | ({} if whole_model else {"kind": trained})
    whole, [state] = with_states(train("whole", **settings))
    closed_at(train("parts", **settings), step_done(2))
    rest, [rest_state] = with_states(train("parts", **settings))
    assert (rest.resumed_at, rest.losses) == (2, whole.losses)
    assert same(dict(state.average), dict(rest_state.average))
    assert not same(dict(state.average), dict(state.values))
    if not whole_model:
        assert rest.adapter.content_hash == whole.adapter.content_hash


def test_it_counts_as_memory_and_disk(bases: Callable[[str], Any], tmp_path: Path) -> None:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a thing"], "red")

    def planned(decay: float) -> Any:
        recipe, store = RECIPE.changed(ema_decay=decay), RunStore(tmp_path)
        return result(forecast(bases("fp32"), dataset, recipe, store=store, trial=False))

    with_it, without = planned(0.9), planned(0.0)
    copy = without.demand.optimizer // 3
    assert with_it.demand.optimizer == without.demand.optimizer + copy
    assert with_it.disk == without.disk + copy


def test_it_counts_where_all_weights_are_trained(bases: Callable[[str], Any]) -> None:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a thing"], "red")

    def need(decay: float) -> Need:
        recipe = RECIPE.changed(ema_decay=decay)
        return Need.of(Run(base=bases("fp32"), dataset=dataset, recipe=recipe, regularization=None, seed=0, whole=True))

    plain, averaged = need(0.0), need(0.9)
    assert averaged.memory == plain.memory + plain.copies
    assert averaged.state == plain.state + plain.copies


def test_it_is_refused_where_the_optimizer_averages() -> None:
    with pytest.raises(ConfigError, match=r"ema_decay: got 0\.99 with schedule_free_adamw.*set ema_decay to 0"):
        Recipe.of(optimizer="schedule_free_adamw", ema_decay=0.99)
