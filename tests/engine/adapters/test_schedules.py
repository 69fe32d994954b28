"""Weights by sampling step: how they are written, and what each step is computed with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import result
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.companions import Companions
from lora_workbench.engine.adapters.merges.merging import Merge, merged
from lora_workbench.engine.adapters.schedules import factor_at, in_words, schedule_of
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.generation.batch import GenerationRequest, generate, stack_label
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from made_adapters import random_adapter
from tiny import Parts, save_tiny_sd1
from torch import Tensor, nn

REQUEST = GenerationRequest(prompts=("a zwx thing",), seeds=(1,), steps=4, guidance=2.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_base(save_tiny_sd1(tmp_path_factory.mktemp("tiny") / "base"), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def fox(base: Backbone) -> Adapter:
    return random_adapter(base, "fox", strength=0.3, ends=("to_q", "to_v", "q_proj"))


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("", [1, 1, 1, 1]),
        ("0: 1, 0.5: 0", [1, 1, 0, 0]),
        ("0.5: 0", [1, 1, 0, 0]),
        ("0:0\n 0.25 : 0.5\n0.75:2", [0, 0.5, 0.5, 2]),
        ("0: -1", [-1, -1, -1, -1]),
    ],
)
def test_schedules_are_pairs_of_share_and_factor(text: str, factors: list[float]) -> None:
    schedule = schedule_of(text)
    assert [factor_at(schedule, step / 4) for step in range(4)] == factors
    assert schedule_of(in_words(schedule)) == schedule


@pytest.mark.parametrize(
    "text", ["half", "0.5", "0: 1: 2", "1: 0", "-0.1: 1", "0: nan", "0.5: 1, 0.5: 0", "0.5: 1, 0: 1"]
)
def test_other_texts_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"0: 1, 0.5: 0"):
        schedule_of(text)


def of(adapter: Adapter, text: str, weight: float = 0.8) -> Stack:
    return Stack((StackEntry(adapter, weight, weight, steps=schedule_of(text)),))


class Watched:
    """What the denoiser's weight is at each of its calls, over the weight's change by the adapter."""

    def __init__(self, base: Backbone, adapter: Adapter) -> None:
        key = next(key for key in adapter.modules if key.endswith("to_q"))
        self.layer = base.denoiser.get_submodule(key.removeprefix("denoiser."))
        self.before = self.layer.weight.detach().clone()
        self.change = adapter.modules[key].delta(self.before)
        self.factors: list[float] = []

    def __call__(self, layer: nn.Module, inputs: Any) -> None:
        difference: Tensor = self.layer.weight - self.before
        self.factors.append(round(float((difference * self.change).sum() / self.change.square().sum()), 4))


def watched(base: Backbone, adapter: Adapter, stack: Stack) -> list[float]:
    watch = Watched(base, adapter)
    with_hook = base.denoiser.register_forward_pre_hook(watch)
    try:
        result(generate(base, REQUEST, stack))
    finally:
        with_hook.remove()
    assert torch.equal(watch.layer.weight, watch.before), "the base model changed"
    return watch.factors


def test_each_step_is_computed_with_the_weight_of_its_share(base: Backbone, fox: Adapter) -> None:
    assert watched(base, fox, of(fox, "0: 1, 0.5: 0.25, 0.75: 0")) == [0.8, 0.8, 0.2, 0.0]
    riso = random_adapter(base, "riso", seed=1, ends=("to_k",))
    mixed = Stack((*of(fox, "0.25: 0").entries, StackEntry(riso, 0.5)))
    assert watched(base, fox, mixed) == [0.8, 0.0, 0.0, 0.0]


def picture(base: Backbone, stack: Stack) -> bytes:
    return result(generate(base, REQUEST, stack))[0].image.tobytes()


def test_a_factor_of_1_throughout_gives_the_picture_without_a_schedule(base: Backbone, fox: Adapter) -> None:
    plain = Stack((StackEntry(fox, 0.8, 0.8),))
    assert picture(base, of(fox, "0: 1, 0.5: 1")) == picture(base, plain)
    assert picture(base, of(fox, "0.5: 0")) not in (picture(base, plain), picture(base, Stack()))


def test_text_encoders_keep_their_weight(base: Backbone, fox: Adapter) -> None:
    texts = replace(fox, modules={key: own for key, own in fox.modules.items() if key.startswith("text_encoder.")})
    assert picture(base, of(fox, "0: 0")) == picture(base, Stack((StackEntry(texts, 0.0, 0.8),)))
    assert picture(base, of(fox, "0: 0")) != picture(base, Stack())


def test_the_base_model_samples_as_before_afterwards_even_after_an_error(base: Backbone, fox: Adapter) -> None:
    before = picture(base, Stack())
    with pytest.raises(ZeroDivisionError), applied(base, of(fox, "0.5: 0")):
        raise ZeroDivisionError
    assert "sample" not in vars(base)
    events = generate(base, REQUEST, of(fox, "0.5: 0"))
    next(events)
    events.close()
    assert "sample" not in vars(base) and picture(base, Stack()) == before


def test_a_schedule_is_part_of_what_a_stack_is(fox: Adapter) -> None:
    plain, scheduled = of(fox, ""), of(fox, "0.5: 0")
    assert plain.content_hash != scheduled.content_hash != of(fox, "0.6: 0").content_hash
    assert Stack((StackEntry(fox, 0.8, 0.8),)).content_hash == plain.content_hash
    assert stack_label(scheduled) == "fox 0.8 (0.5: 0)" and stack_label(plain) == "fox 0.8"
    assert not scheduled.at(0.5).scheduled and scheduled.at(0.5).entries[0].weight == 0


def test_files_and_trainings_cant_have_one(fox: Adapter, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="weights by sampling step, which a file can't hold"):
        result(merged(of(fox, "0.5: 0"), Merge(), name="both"))
    companion = Stack((StackEntry(fox, role="context", steps=((0.5, 0.0),)),))
    with pytest.raises(AdapterError, match="which a training can't hold"):
        Companions.of(companion)
    with pytest.raises(AdapterError, match="this base model can't sample"):
        applied(Parts(denoiser=nn.Linear(2, 2)), of(fox, "0.5: 0"))
