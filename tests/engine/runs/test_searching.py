"""A learning rate that is searched for: the same each time, kept, told, and as good as the one that people found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import finish, result
from lora_workbench.engine.adapters.files import read_metadata
from lora_workbench.engine.adapters.inject import Injection
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.core.errors import ConfigError, TrainingError
from lora_workbench.engine.core.events import Message, Progress, StepDone
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.forecasting import forecast
from lora_workbench.engine.runs.processes import train_on_devices
from lora_workbench.engine.runs.sliders import train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training import range_test as searching
from lora_workbench.engine.training.range_test import BATCHES, HIGHEST, LOWEST, STEPS, RangeTest, rate_at
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from lora_workbench.engine.training.suggestions import suggest, with_changes
from PIL import Image

RECIPE = Recipe.of(
    steps=3, learning_rate="auto", rank=4, alpha=4, batch_size=2, warmup_steps=0, train_text_encoder=True
)  # fmt: skip
Train = Callable[..., Any]


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches go through the rates in a quarter of the steps."""
    monkeypatch.setattr(searching, "STEPS", STEPS // 4)


@pytest.fixture
def train(base: Backbone, tmp_path: Path) -> Train:
    def start(folder: str = "store", how: Any = train_adapter, recipe: Recipe = RECIPE, **settings: Any) -> Any:
        pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
        dataset = dataset_from_images(pictures, ["a thing"] * 3, "colors")
        return how(base, dataset, recipe.changed(**settings), seed=7, store=RunStore(tmp_path / folder), name="x")

    return start


def trials(events: list[Any]) -> int:
    return sum(isinstance(event, Progress) and event.label == "learning rates" for event in events)


def curve(loss: Callable[[float], float]) -> RangeTest:
    rates = [rate_at(step) for step in range(STEPS)]
    return RangeTest(rates=tuple(rates), losses=tuple(map(loss, rates)))


def test_the_rates_rise_by_one_factor() -> None:
    rates = [rate_at(step) for step in range(STEPS)]
    assert (rates[0], rates[-1]) == (pytest.approx(LOWEST), pytest.approx(HIGHEST))
    assert rates[1] / rates[0] == pytest.approx(rates[-1] / rates[-2])


def test_a_third_of_the_rate_at_the_lowest_loss_is_taken() -> None:
    test = curve(lambda rate: 1 - rate * (6e-3 - rate) * 2e4)
    assert test.lowest[0] == pytest.approx(3e-3, rel=0.1)
    assert test.rate == pytest.approx(1e-3, rel=0.1)
    assert not test.diverged or test.smoothed[-1][1] > 1.5 * test.lowest[1]


def test_a_loss_that_never_falls_gives_no_rate() -> None:
    with pytest.raises(TrainingError, match="found no learning rate"):
        _ = curve(lambda rate: 1 + rate).rate


def test_the_run_is_the_one_of_the_rate_as_a_number(train: Train) -> None:
    found, events = finish(train())
    assert BATCHES < trials(events) <= STEPS
    assert len([event for event in events if isinstance(event, StepDone)]) == 3
    rate = found.range_test.rate
    assert LOWEST < rate < HIGHEST
    told = [event.text for event in events if isinstance(event, Message)]
    assert any(f"learning rate {rate:g}, found by a range test" in text for text in told)
    numbers = {"learning_rate": rate, "text_encoder_learning_rate": float(f"{rate / 10:.2g}")}
    by_hand = result(train("by hand", **numbers))
    assert by_hand.range_test is None
    assert by_hand.adapter.content_hash == found.adapter.content_hash
    metadata = read_metadata(found.adapter.path)
    assert json.loads(metadata["lw.rate_search"])["learning_rate"] == rate
    saved = json.loads(metadata["lw.recipe"])
    assert {name: saved[name] for name in numbers} == numbers and saved["rate_search"] == "none"
    assert "lw.rate_search" not in read_metadata(by_hand.adapter.path)


@pytest.mark.usefixtures("few_steps")
def test_a_search_is_kept_and_not_made_twice(train: Train) -> None:
    first, _ = finish(train())
    again, events = finish(train())
    assert again.cached and trials(events) == 0
    longer, events = finish(train(steps=4, schedule="cosine", warmup_steps=2, sample_every=2))
    assert trials(events) == 0, "how long and by what schedule a run trains doesn't matter to it"
    assert again.range_test == longer.range_test == first.range_test
    other, events = finish(train(rank=2))
    assert trials(events) > 0 and other.range_test != first.range_test


@pytest.mark.usefixtures("few_steps")
def test_a_search_that_is_stopped_begins_anew_to_the_same_rate(train: Train) -> None:
    whole, undisturbed = finish(train("whole"))
    for stop in (2, 10):
        events = train("parts")
        while trials([event := next(events)]) == 0 or event.done < stop:
            pass
        events.close()
    rest, events = finish(train("parts"))
    assert trials(events) == trials(undisturbed)
    assert rest.range_test == whole.range_test
    assert rest.adapter.content_hash == whole.adapter.content_hash


@pytest.mark.usefixtures("few_steps")
def test_a_damaged_search_is_made_again(train: Train, tmp_path: Path) -> None:
    first = result(train())
    [kept] = (tmp_path / "store" / "rates").rglob("*.txt")
    kept.write_text("{}")
    again, events = finish(train())
    assert trials(events) > 0 and again.range_test == first.range_test


@pytest.mark.usefixtures("few_steps")
def test_the_trainee_has_its_first_values_again(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Injection, dict[str, torch.Tensor]]] = []
    before = searching.range_test

    def watched(backbone: Any, trainee: Injection, *rest: Any) -> Any:
        seen.append((trainee, {name: value.detach().clone() for name, value in trainee.parameters.items()}))
        return before(backbone, trainee, *rest)

    monkeypatch.setattr("lora_workbench.engine.runs.searching.range_test", watched)
    result(train())
    [(trainee, first)] = seen
    assert all(torch.equal(value, first[name]) for name, value in trainee.parameters.items())


@pytest.mark.usefixtures("few_steps", "warm_processes")
@pytest.mark.proofs
def test_several_processes_take_the_rate_of_the_first(train: Train) -> None:
    settings = {"gradient_accumulation": 2}
    alone = result(train("alone", **settings))
    shared = result(train("shared", train_on_devices, devices=2, **settings))
    assert shared.range_test == alone.range_test
    assert shared.adapter.content_hash == alone.adapter.content_hash


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("optimizer", ["lion", "adafactor", "schedule_free_adamw"])
def test_other_optimizers_have_rates_of_their_own(train: Train, optimizer: str) -> None:
    assert LOWEST < result(train(optimizer=optimizer, steps=1)).range_test.rate < HIGHEST


@pytest.mark.usefixtures("few_steps")
def test_a_slider_has_a_rate_of_its_own(base: Backbone, tmp_path: Path) -> None:
    ends = PromptSlider(positive="a big thing", negative="a small thing", neutral=("a thing",), guidance=2.0)
    recipe, store = RECIPE.changed(train_text_encoder=False), RunStore(tmp_path)
    made = result(train_prompt_slider(base, ends, recipe, pictures=2, seed=5, store=store, name="x"))
    assert LOWEST < made.range_test.rate < HIGHEST


def test_a_plan_counts_its_steps(base: Backbone, tmp_path: Path) -> None:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a thing"], "red")
    store = RunStore(tmp_path)
    assert "80 that search for the learning rate" in str(result(forecast(base, dataset, RECIPE, store=store)))
    by_hand = RECIPE.changed(learning_rate=1e-3)
    assert result(forecast(base, dataset, by_hand, store=store, trial=False)).search == 0


def test_words_numbers_and_what_cannot_be_had_together() -> None:
    assert RECIPE.optimizer.rate_search == "range_test"
    assert RECIPE.changed(learning_rate=1e-3).optimizer.rate_search == "none", "a number ends the search"
    assert RECIPE.changed(steps=7).optimizer.rate_search == "range_test"
    with pytest.raises(ConfigError, match="expected a number or auto"):
        Recipe.of(learning_rate="automatic")
    with pytest.raises(ConfigError, match="got auto and none, expected range_test"):
        Recipe.of(learning_rate="auto", rate_search="none")
    with pytest.raises(ConfigError, match="with prodigy, which finds the rate by itself"):
        Recipe.of(learning_rate="auto", optimizer="prodigy")


def test_it_is_refused_where_all_weights_are_trained(train: Train) -> None:
    with pytest.raises(TrainingError, match="only possible where an adapter is trained"):
        next(train(how=train_dreambooth, train_text_encoder=False))


@pytest.mark.proofs
def test_the_demo_bases_rate_is_found(demo_base: Path, root: Path, tmp_path: Path) -> None:
    """Found by hand: 0.0054, at which the recipe of the demo base stands. It takes half a minute."""
    base = registry.load_base(demo_base, device="cpu", precision="fp32")
    trigger = TriggerWord(word="zwx", class_word="animal", template="an emoji of a {trigger} {class}")
    dataset = apply_trigger(load_dataset(root / "assets" / "datasets" / "fox"), trigger, "prepend")
    recipe = suggest("subject", len(dataset), base.info)
    auto = with_changes(recipe, {"learning_rate": "auto", "steps": 1})
    found = result(train_adapter(base, dataset, auto, seed=0, store=RunStore(tmp_path), name="fox")).range_test
    assert recipe.optimizer.learning_rate / 3 < found.rate < recipe.optimizer.learning_rate * 3
