"""The loop beside its losses: steps ahead of them, values that aren't finite, and steps that run out of memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.errors import TrainingError
from lora_workbench.engine.core.events import Event, Message, SamplesGenerated, StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.loop import Trainer
from lora_workbench.engine.training.loss import StepLoss
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.state import TrainingState
from lora_workbench.engine.training.training_set import TrainingSet, encode
from PIL import Image
from tiny import save_tiny_sd1
from torch import Tensor

RECIPE = Recipe.of(
    steps=6, learning_rate=1e-2, rank=2, alpha=2, warmup_steps=0, save_every=4, gradient_accumulation=2
)  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return registry.load_base(save_tiny_sd1(tmp_path_factory.mktemp("sd1")), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def subject(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    dataset = dataset_from_images(pictures, ["a thing"] * 3, "colors")
    events = encode(base, dataset, 32, RunStore(tmp_path_factory.mktemp("store")).encoded, embed=True)
    while True:
        try:
            next(events)
        except StopIteration as done:
            return done.value


class Changed:
    """A loss that something happens to at one micro-batch of one step."""

    def __init__(self, loss: StepLoss, at: tuple[int, int], change: Callable[[Tensor], Tensor]) -> None:
        self.loss, self.at, self.change = loss, at, change

    @property
    def micro_batches(self) -> int:
        return self.loss.micro_batches

    @property
    def parts(self) -> tuple[str, ...]:
        return self.loss.parts

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        value = self.loss.of_micro_batch(step, micro)
        return self.change(value) if (step, micro) == self.at else value


@pytest.fixture
def run(base: Backbone, subject: TrainingSet, tmp_path: Path) -> Callable[..., Any]:
    """A run: (its injection, its trainer, a context that ends it)."""

    def start(name: str, change: Any = None, at: tuple[int, int] = (2, 1), **options: Any) -> Any:
        injection: AbstractContextManager[Injection] = injected(
            TRAINED.get("lora"), {"denoiser": base.denoiser}, {"denoiser": base.info.target_presets["attention"]},
            rank=2, alpha=2, seed=0,
        )  # fmt: skip
        loss = StepLoss(backbone=base, recipe=RECIPE, subject=subject, prior=None, seed=1)
        changed = Changed(loss, at, change) if change else loss
        trainee = injection.__enter__()
        trainer = Trainer(
            backbone=base, trainee=trainee, recipe=RECIPE, loss=changed, state_path=tmp_path / f"{name}.safetensors",
            **options,
        )  # fmt: skip
        return trainer, lambda: injection.__exit__(None, None, None)

    return start


def finished(run: Callable[..., Any], name: str, **options: Any) -> tuple[TrainingState, list[Event]]:
    trainer, end = run(name, **options)
    try:
        seen = list(trainer.run())
    finally:
        end()
    return TrainingState.load(trainer.state_path), seen


def same(one: TrainingState, other: TrainingState) -> bool:
    assert one.step == other.step
    assert one.losses == other.losses
    tensors = ((one.values, other.values), (one.optimizer, other.optimizer))
    return all(
        torch.equal(torch.as_tensor(value), torch.as_tensor(theirs[key]))
        for ours, theirs in tensors
        for key, value in ours.items()
        if isinstance(value, (Tensor, float))
    )


@pytest.mark.parametrize("ahead", [1, 3])
def test_losses_that_are_read_late_change_no_bit(run, ahead: int):
    at_once, told = finished(run, "at once", ahead=0)
    late, told_late = finished(run, "late", ahead=ahead)
    assert same(late, at_once)
    steps = [[(e.step, e.loss) for e in seen if isinstance(e, StepDone)] for seen in (told, told_late)]
    assert steps[0] == steps[1]


def test_samples_that_are_asked_for_show_the_step_ahead_of_which_nothing_is_done(run):
    at_once, _ = finished(run, "at once", ahead=0)
    asks, drawn = iter([False, True, False, False, False, True]), [("a thing", Image.new("RGB", (8, 8)))]
    asked, seen = finished(run, "asked", ahead=3, wants_samples=lambda: next(asks), generate_samples=lambda: drawn)
    assert same(asked, at_once)
    told = [type(event) for event in seen if isinstance(event, (StepDone, SamplesGenerated))]
    assert told == [StepDone] * 2 + [SamplesGenerated] + [StepDone] * 4 + [SamplesGenerated]


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_closed_run_keeps_every_step_it_took(run, ahead: int):
    whole, _ = finished(run, "whole", ahead=ahead)
    trainer, end = run("stopped", ahead=ahead)
    with closing(trainer.run()) as events:
        next(event for event in events if isinstance(event, StepDone) and event.step == 2)
    end()
    state = TrainingState.load(trainer.state_path)
    assert state.step == 2 + ahead
    assert state.losses == whole.losses[: state.step]
    trainer, end = run("stopped", ahead=ahead)
    list(trainer.run(state))
    end()
    assert same(TrainingState.load(trainer.state_path), whole)


def infinite(value: Tensor) -> Tensor:
    return value / 0


def infinite_gradient(value: Tensor) -> Tensor:
    """The same value; its derivative isn't finite."""
    return value + (value - value.detach()).sqrt()


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize(("change", "word"), [(infinite, "loss"), (infinite_gradient, "gradient")])
def test_nothing_moves_after_a_value_that_is_not_finite(run, ahead: int, change: Any, word: str):
    whole, _ = finished(run, "whole")
    trainer, end = run("spoiled", change=change, ahead=ahead)
    with pytest.raises(TrainingError, match=rf"The {word} became (inf|nan) at step 3"):
        list(trainer.run())
    end()
    state = TrainingState.load(trainer.state_path)
    assert (state.step, state.losses) == (2, whole.losses[:2])
    trainer, end = run("spoiled")
    list(trainer.run(state))
    end()
    assert same(TrainingState.load(trainer.state_path), whole)


class TooLarge:
    """Asks for more memory than there is, the first times that it is called."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, value: Tensor) -> Tensor:
        if self.left:
            self.left -= 1
            torch.empty(2**50, dtype=torch.uint8)
        return value


def test_a_step_that_runs_out_of_memory_is_repeated_in_a_smaller_plan(run):
    whole, _ = finished(run, "whole")
    plans = iter(["half", "all"])
    state, seen = finished(run, "repeated", change=TooLarge(2), need_less_memory=lambda: next(plans))
    assert [event.text for event in seen if isinstance(event, Message)] == ["half", "all"]
    assert same(state, whole)


def test_without_a_smaller_plan_the_error_is_told_and_nothing_is_lost(run):
    def nothing_left() -> str:
        raise TrainingError("There is no memory left.", hint="take smaller pictures.")

    for options, error in (({}, RuntimeError), ({"need_less_memory": nothing_left}, TrainingError)):
        trainer, end = run("short", change=TooLarge(1), **options)
        with pytest.raises(error):
            list(trainer.run())
        end()
        assert TrainingState.load(trainer.state_path).step == 2
