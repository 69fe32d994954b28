"""Adapters in a part of the picture."""

from __future__ import annotations

import pytest
import torch
from generators import result
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.masks import Mask, box_mask, mask_of, shares
from lora_workbench.engine.adapters.schedules import schedule_of
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from made_adapters import random_adapter
from tiny import save_tiny_sd1
from torch import Tensor

LEFT, RIGHT = box_mask((0, 0, 0.5, 1)), box_mask((0.5, 0, 0.5, 1))
EVERYWHERE = Mask(torch.ones(4, 4))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_base(save_tiny_sd1(tmp_path_factory.mktemp("tiny") / "base"), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def fox(base: Backbone) -> Adapter:
    return random_adapter(base, "fox", strength=0.3, ends=("to_q", "to_v"))


@pytest.fixture(scope="module")
def riso(base: Backbone) -> Adapter:
    return random_adapter(base, "riso", seed=1, strength=0.3, ends=("to_q", "conv1"))


def prediction(base: Backbone, stack: Stack) -> Tensor:
    """(1, C, h, w), with the stack."""
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with applied(base, stack), torch.no_grad():
        return base.predict(x, torch.tensor([500]), base.encode_prompts(["a zwx thing"]))


def test_each_region_is_predicted_with_its_own_adapters(base: Backbone, fox: Adapter, riso: Adapter) -> None:
    both = Stack((StackEntry(fox, 0.8, mask=LEFT), StackEntry(riso, 0.6, mask=RIGHT)))
    found = prediction(base, both)
    alone = [prediction(base, Stack((StackEntry(own, weight),))) for own, weight in ((fox, 0.8), (riso, 0.6))]
    assert torch.equal(found[..., :4], alone[0][..., :4]) and torch.equal(found[..., 4:], alone[1][..., 4:])
    assert (alone[0] - alone[1]).abs().max() > 0.01


def test_what_has_no_mask_counts_everywhere_and_the_rest_is_the_base_model(
    base: Backbone, fox: Adapter, riso: Adapter
) -> None:
    stack = Stack((StackEntry(riso, 0.6), StackEntry(fox, 0.8, mask=LEFT)))
    found = prediction(base, stack)
    plain = Stack((StackEntry(riso, 0.6), StackEntry(fox, 0.8)))
    assert torch.equal(found[..., :4], prediction(base, plain)[..., :4])
    assert torch.equal(found[..., 4:], prediction(base, Stack((StackEntry(riso, 0.6),)))[..., 4:])
    assert torch.equal(prediction(base, Stack()), prediction(base, Stack((StackEntry(fox, 0.0, mask=LEFT),))))


def test_a_mask_of_everything_is_no_mask(base: Backbone, fox: Adapter) -> None:
    masked, plain = (Stack((StackEntry(fox, 0.8, mask=mask),)) for mask in (EVERYWHERE, None))
    request = GenerationRequest(prompts=("a zwx thing",), steps=3, guidance=2.0)
    pictures = [result(generate(base, request, stack))[0].image.tobytes() for stack in (masked, plain)]
    assert pictures[0] == pictures[1]
    assert "predict" not in vars(base) and "sample" not in vars(base)


def test_a_masked_adapter_may_have_a_schedule(base: Backbone, fox: Adapter) -> None:
    request = GenerationRequest(prompts=("a zwx thing",), steps=4)
    entries = [
        StackEntry(fox, 0.8, mask=mask, steps=schedule_of(text))
        for mask, text in ((LEFT, "0.5: 0"), (LEFT, ""), (EVERYWHERE, "0.5: 0"), (None, "0.5: 0"))
    ]
    pictures = [result(generate(base, request, Stack((entry,))))[0].image.tobytes() for entry in entries]
    assert pictures[2] == pictures[3] and len(set(pictures)) == 3


def test_shares_add_up_to_1_and_overlaps_are_divided() -> None:
    rest, left, everywhere = shares([LEFT, EVERYWHERE], 4, 4)
    assert torch.equal(rest, torch.zeros(4, 4))
    assert left[0].tolist() == [0.5, 0.5, 0, 0] and everywhere[0].tolist() == [0.5, 0.5, 1, 1]
    half = mask_of(torch.full((1, 8, 8), 0.25))
    rest, own = shares([half], 4, 6)
    assert rest.unique().tolist() == [0.75] and own.shape == (4, 6)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (torch.zeros(4, 4), "The mask is empty"),
        (torch.ones(2, 4, 4), "can't say where"),
        (torch.full((4, 4), 2.0), "can't say where"),
        (torch.full((4, 4), float("nan")), "can't say where"),
        (torch.ones(0, 4), "can't say where"),
    ],
)
def test_masks_that_say_nothing_are_refused(values: Tensor, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        mask_of(values)


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, 0, 1), (0.6, 0, 0.5, 1), (0, -0.1, 1, 1), (float("nan"), 0, 1, 1)])
def test_boxes_outside_the_picture_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="isn't a box inside the picture"):
        box_mask(box)


def test_a_mask_is_part_of_what_a_stack_is_and_no_file_holds_it(fox: Adapter) -> None:
    plain, left, right = (Stack((StackEntry(fox, mask=mask),)) for mask in (None, LEFT, RIGHT))
    assert len({stack.content_hash for stack in (plain, left, right)}) == 3
    assert left.entries[0].label == "fox 1 (masked)"
    with pytest.raises(AdapterError, match="fox has a mask, which a file can't hold"):
        left.refuse_varying("a file")
