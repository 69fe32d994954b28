"""Ways of combining adapters, beside the same on whole matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.combining import making_way, with_effective_total, with_total
from lora_workbench.engine.adapters.interference import interference
from lora_workbench.engine.adapters.kinds.full import Difference
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError


@pytest.fixture
def stack(make_adapter: Any) -> Stack:
    fox, riso = make_adapter("fox", rank=4, alpha=2.0), make_adapter("riso", rank=2, alpha=2.0, seed=2)
    return Stack((StackEntry(fox, 0.8, 0.5), StackEntry(riso, 0.6, 0.3)))


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_making_way_is_np_loras_projection(stack: Stack, strength: float) -> None:
    combined = making_way(stack, ["riso"], strength=strength)
    fox, riso = (entry.adapter for entry in stack.entries)
    assert combined.stack.entries[1] == stack.entries[1]
    for key, update in combined.stack.entries[0].adapter.modules.items():
        style = riso.modules[key].delta().flatten(1).double()
        _, s, vh = torch.linalg.svd(style, full_matrices=False)
        along = vh[s > 1e-6 * s[0]].T
        whole = fox.modules[key].delta().flatten(1).double()
        expected = whole @ (torch.eye(len(along), dtype=torch.float64) - strength * along @ along.T)
        torch.testing.assert_close(update.delta().flatten(1).double(), expected, rtol=1e-3, atol=1e-5)
    assert [e.weight for e in combined.stack.entries] == [0.8, 0.6]


def test_adapters_of_one_name_and_rows_that_are_off_stay_apart(make_adapter: Any) -> None:
    one, other, style = make_adapter("fox"), make_adapter("fox", seed=3), make_adapter("riso", seed=2)
    given = Stack((StackEntry(one), StackEntry(other), StackEntry(one, enabled=False), StackEntry(style)))
    found = making_way(given).stack.entries
    assert [entry.enabled for entry in found] == [True, True, False, True]
    assert found[2].adapter is one and found[3].adapter is style
    assert found[0].adapter.content_hash not in (one.content_hash, found[1].adapter.content_hash)


def test_the_last_adapter_is_protected_unless_others_are_named(stack: Stack) -> None:
    by_default, other_way = making_way(stack).stack, making_way(stack, ["fox"]).stack
    assert by_default.entries[1].adapter is stack.entries[1].adapter
    assert other_way.entries[0].adapter is stack.entries[0].adapter
    assert other_way.entries[1].adapter.content_hash != stack.entries[1].adapter.content_hash


def test_what_made_way_answers_to_nothing_that_two_protected_ones_do(make_adapter: Any) -> None:
    adapters = [make_adapter(name, rank=2, seed=number) for number, name in enumerate(("fox", "riso", "mosaic"))]
    found = making_way(Stack(tuple(map(StackEntry, adapters))), ["riso", "mosaic"]).stack
    measured = interference(found)
    assert measured.overlap(0, 1)[0] == pytest.approx(0, abs=1e-5)
    assert measured.overlap(0, 2)[0] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("names", "said"), [(["owl"], "owl"), (["fox", "riso"], "No adapter is left")])
def test_impossible_protection_is_refused_with_the_names_there_are(stack: Stack, names: list[str], said: str) -> None:
    with pytest.raises(AdapterError, match=said) as refused:
        making_way(stack, names)
    assert "fox, riso" in str(refused.value)


def test_kinds_that_cannot_make_way_are_named(stack: Stack) -> None:
    fox = stack.entries[0].adapter
    key = next(iter(fox.modules))
    whole = Difference(fox.modules[key].delta())
    mixed = replace(fox, modules={**fox.modules, key: whole})
    combined = making_way(Stack((replace(stack.entries[0], adapter=mixed), stack.entries[1])))
    assert combined.stack.entries[0].adapter.modules[key] is whole
    assert "1 layer of kind full" in combined.notes[0]


def test_totals_scale_all_weights_by_one_factor(stack: Stack) -> None:
    entries = with_total(stack, 2.8).entries
    assert [entry.weight for entry in entries] == [pytest.approx(1.6), pytest.approx(1.2)]
    assert [entry.text_encoder_weight for entry in entries] == [pytest.approx(1.0), pytest.approx(0.6)]
    assert interference(with_effective_total(stack, 1.3)).effective_total == pytest.approx(1.3, rel=1e-4)


def test_nothing_cannot_be_scaled(stack: Stack) -> None:
    nothing = Stack(tuple(replace(entry, enabled=False) for entry in stack.entries))
    for scale in (with_total, with_effective_total):
        with pytest.raises(AdapterError, match="can't be scaled"):
            scale(nothing, 1.0)
