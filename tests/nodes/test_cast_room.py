"""Casting weights into memory that is used again."""

from __future__ import annotations

import torch
from lora_workbench.nodes.native.cast_room import CastRoom


def test_each_weight_is_cast_into_the_memory_of_the_one_before() -> None:
    room = CastRoom()
    large, small = torch.randn(32, 16, 3, 3), torch.randn(8, 5)
    first = room.cast(large, torch.bfloat16)
    assert torch.equal(first, large.bfloat16())
    second = room.cast(small, torch.float16)
    assert torch.equal(second, small.half())
    assert second.data_ptr() == first.data_ptr()


def test_it_grows_for_a_larger_weight() -> None:
    room = CastRoom()
    room.cast(torch.randn(4), torch.bfloat16)
    weight = torch.randn(1000, 10)
    assert torch.equal(room.cast(weight, torch.bfloat16), weight.bfloat16())
