"""Stacks of adapters and what they do to a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import adaptable, bind
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.kinds.summing import joined
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from tiny import Parts

if TYPE_CHECKING:
    from torch import Tensor

QUERY = "denoiser.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


def snapshot(components: Parts) -> dict[str, Tensor]:
    return {f"{c}.{name}": tensor.clone() for c, m in components.items() for name, tensor in m.state_dict().items()}


def assert_unchanged(components: Parts, before: dict[str, Tensor]) -> None:
    import torch

    after = snapshot(components)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_the_weights_are_the_base_plus_the_weighted_updates(make_adapter: Any, components: Parts) -> None:
    import torch

    first, second = make_adapter(rank=4, alpha=2.0), make_adapter("owl", rank=8, alpha=8.0, seed=2)
    stack = Stack((StackEntry(first, 0.8, 0.5), StackEntry(second, -0.6, 0.0)))
    before = snapshot(components)
    with applied(components, stack):
        for key, module in adaptable(components).items():
            expected = before[f"{key}.weight"]
            if key in first.modules:
                weights = (0.8, -0.6) if key.startswith("denoiser.") else (0.5, 0.0)
                expected = expected + weights[0] * first.modules[key].delta() + weights[1] * second.modules[key].delta()
            torch.testing.assert_close(module.weight, expected, rtol=1e-4, atol=1e-5)
            if key not in first.modules:
                assert torch.equal(module.weight, expected)
    assert_unchanged(components, before)


def test_each_weight_is_computed_once_and_in_float32(make_adapter: Any, components: Parts) -> None:
    """Many small updates in half precision: adding them one by one would round them all away."""
    import copy

    import torch

    half = Parts({"denoiser": copy.deepcopy(components["denoiser"]).to(torch.bfloat16)})
    adapter = make_adapter(targets=("attn1.to_q",), alpha=0.004)
    stack = Stack(tuple(StackEntry(adapter) for _ in range(64)))
    module = adaptable(half)[QUERY]
    expected = module.weight.float() + 64 * adapter.modules[QUERY].delta()
    with applied(half, stack):
        assert module.weight.dtype == torch.bfloat16
        torch.testing.assert_close(module.weight.float(), expected, rtol=2**-8, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(
    parts=st.lists(st.tuples(st.integers(1, 6), st.floats(0.1, 16), st.floats(-2, 2)), min_size=1, max_size=5),
    kernel=st.sampled_from([(), (1, 1), (3, 3)]),
)
def test_joined_factors_are_the_sum_of_the_updates(parts: list[tuple[int, float, float]], kernel: Any) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    updates = [
        (
            LowRank(
                down=torch.randn(rank, 5, *kernel, generator=generator),
                up=torch.randn(7, rank, *[1] * len(kernel), generator=generator),
                alpha=alpha,
            ),
            weight,
        )
        for rank, alpha, weight in parts
    ]
    whole = joined(updates, "cpu")
    expected = sum((weight * update.delta() for update, weight in updates), torch.zeros(7, 5, *kernel))
    torch.testing.assert_close(whole.delta().reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
    assert whole.rank == sum(rank for rank, _, _ in parts)


def test_a_single_update_is_joined_without_a_copy() -> None:
    import torch

    update = LowRank(down=torch.ones(2, 3).half(), up=torch.ones(4, 2).half(), alpha=1.0)
    alone = joined([(update, 0.5)], "cpu")
    assert (alone.down.data_ptr(), alone.up.data_ptr()) == (update.down.data_ptr(), update.up.data_ptr())
    assert alone.alpha == 0.5


def test_the_originals_come_back_bit_for_bit_after_an_error(make_adapter: Any, components: Parts) -> None:
    before = snapshot(components)
    parameters = {id(p) for module in components.values() for p in module.parameters()}
    stack = Stack((StackEntry(make_adapter()),))
    with pytest.raises(RuntimeError, match="in the middle"), applied(components, stack):
        raise RuntimeError("in the middle")
    assert_unchanged(components, before)
    assert {id(p) for module in components.values() for p in module.parameters()} == parameters


def test_it_works_under_inference_mode(make_adapter: Any, components: Parts) -> None:
    import torch

    before = snapshot(components)
    with torch.inference_mode(), applied(components, Stack((StackEntry(make_adapter()),))):
        assert not torch.equal(adaptable(components)[QUERY].weight, before[f"{QUERY}.weight"])
    assert_unchanged(components, before)


def test_stacks_nest(make_adapter: Any, components: Parts) -> None:
    import torch

    adapter = make_adapter()
    before = snapshot(components)
    module = adaptable(components)[QUERY]
    with applied(components, Stack((StackEntry(adapter),))):
        outer = module.weight.clone()
        with applied(components, Stack((StackEntry(adapter, -1.0, -1.0),))):
            torch.testing.assert_close(module.weight, before[f"{QUERY}.weight"], rtol=0, atol=1e-5)
        assert torch.equal(module.weight, outer)
    assert_unchanged(components, before)


def test_nothing_happens_without_active_entries(make_adapter: Any, components: Parts) -> None:
    adapter = make_adapter()
    stack = Stack((StackEntry(adapter, enabled=False), StackEntry(adapter, 0.0, 0.0)))
    before = snapshot(components)
    with applied(components, stack):
        assert_unchanged(components, before)
    assert stack.content_hash == Stack().content_hash


def test_an_adapter_of_another_family_is_named(make_adapter: Any, components: Parts) -> None:
    import torch

    update = LowRank(down=torch.ones(2, 8), up=torch.ones(8, 2), alpha=2.0)
    foreign = Adapter(
        name="giant", family="flux", modules={"denoiser.transformer_blocks.0.attn.to_q": update}, metadata={}
    )
    before = snapshot(components)
    stack = Stack((StackEntry(make_adapter()), StackEntry(foreign)))
    with pytest.raises(AdapterError) as caught, applied(components, stack):
        pytest.fail("must not be applied")
    for words in ("giant", "0 of its 1 modules match", "transformer_blocks.0.attn.to_q", "made for flux"):
        assert words in str(caught.value)
    assert_unchanged(components, before)


def test_an_adapter_of_another_size_is_told_with_the_shapes(make_adapter: Any, components: Parts) -> None:
    import torch

    adapter = make_adapter()
    wide = LowRank(down=torch.ones(4, 320), up=torch.ones(320, 4), alpha=4.0)
    with pytest.raises(AdapterError, match=r"to_q has shape \(64, 64\), the adapter was made for \(320, 320\)"):
        bind(replace(adapter, modules={**adapter.modules, QUERY: wide}), components.module_shapes())


def test_an_adapter_with_text_encoder_updates_needs_the_text_encoder(make_adapter: Any, components: Parts) -> None:
    with pytest.raises(AdapterError, match="Not in the base model: text_encoder"):
        bind(make_adapter(), Parts({"denoiser": components["denoiser"]}).module_shapes())


@pytest.mark.parametrize("weights", [(float("nan"), 1.0), (1.0, float("-inf"))])
def test_weights_that_arent_finite_are_refused(make_adapter: Any, weights: tuple[float, float]) -> None:
    with pytest.raises(AdapterError, match="fox has the weights"):
        StackEntry(make_adapter(), *weights)


def test_stacks_are_values(make_adapter: Any) -> None:
    fox, owl = StackEntry(make_adapter(), 0.8), StackEntry(make_adapter("owl", seed=2), 0.6, enabled=False)
    empty = Stack()
    stack = empty.adding(fox).adding(owl)
    assert empty.entries == ()
    assert stack.entries == (fox, owl)
    assert stack.alone(1).entries == (replace(owl, enabled=True),)
    assert stack.triggers() == ("ohwx fox",)
    assert stack.total_weight() == pytest.approx(0.8)
    assert stack.content_hash == Stack((fox,)).content_hash
    assert stack.content_hash != Stack((replace(fox, weight=0.7),)).content_hash


def test_a_usual_stack_has_no_warnings(make_adapter: Any) -> None:
    assert Stack((StackEntry(make_adapter(), 0.8), StackEntry(make_adapter("owl", seed=2), 0.6))).warnings() == []


def test_warnings_name_what_is_likely_to_go_wrong(make_adapter: Any) -> None:
    fox = make_adapter()
    nameless = replace(make_adapter("blob", seed=3, family="flux"), metadata={})
    stack = Stack((StackEntry(fox, 1.5), StackEntry(fox, -2.5), StackEntry(nameless, 0.5)))
    found = "\n".join(stack.warnings())
    for words in (
        "fox has a weight beyond 2",
        "blob doesn't say its trigger word",
        "fox is in the stack more than once",
        "different families (flux, sd1)",
    ):
        assert words in found
