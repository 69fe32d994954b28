"""What adapters of a stack do to each other, beside the same from the whole matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.interference import Factors, interference
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.adapters.stack_report import warnings
from lora_workbench.engine.core.errors import AdapterError
from tiny import Parts


@pytest.fixture
def stack(make_adapter: Any) -> Stack:
    first, second = make_adapter(rank=4, alpha=2.0), make_adapter("owl", rank=8, alpha=8.0, seed=2)
    return Stack((StackEntry(first, 0.8, 0.5), StackEntry(second, -0.6, 0.3)))


def changes(stack: Stack) -> list[dict[str, torch.Tensor]]:
    return [
        {
            key: entry.weight_for(key) * update.delta().flatten(1).double()
            for key, update in entry.adapter.modules.items()
        }
        for entry in stack.entries
    ]


def test_norms_shares_and_cosines_are_those_of_the_whole_matrices(stack: Stack, components: Parts) -> None:
    found = interference(stack, components)
    first, second = changes(stack)
    summed = {key: first[key] + second[key] for key in first}
    one, other, together = (torch.cat([own[key].flatten() for key in first]) for own in (first, second, summed))
    base = torch.cat([components.load_component(key.split(".", 1)[0]).get_submodule(key.split(".", 1)[1])
                      .weight.detach().flatten().double() for key in first])  # fmt: skip

    torch.testing.assert_close(found.whole.norms, torch.stack([one.norm(), other.norm()]), rtol=1e-4, atol=0)
    assert found.whole.total == pytest.approx(float(together.norm()), rel=1e-4)
    assert found.whole.relative == pytest.approx(float(together.norm() / base.norm()), rel=1e-4)
    cosine = float(one @ other / one.norm() / other.norm())
    assert float(found.whole.cosines[0, 1]) == pytest.approx(cosine, abs=1e-5)
    owned = torch.stack([one @ together, other @ together]) / together.norm() ** 2
    torch.testing.assert_close(found.whole.owned, owned, rtol=1e-3, atol=1e-5)
    assert float(found.whole.owned.sum()) == pytest.approx(1)


def test_blocks_add_up_to_the_whole(stack: Stack) -> None:
    found = interference(stack)
    assert len(found.blocks) > 3
    torch.testing.assert_close(sum(block.gram for block in found.blocks.values()), found.whole.gram)


def test_the_same_adapter_twice_counts_twice_and_its_opposite_not_at_all(make_adapter: Any) -> None:
    adapter = make_adapter()
    twice = interference(Stack((StackEntry(adapter, 0.5, 0.5), StackEntry(adapter, 0.7, 0.7))))
    assert twice.effective_total == pytest.approx(1.2, rel=1e-4)
    assert twice.overlap(0, 1)[:2] == (pytest.approx(1, rel=1e-4), pytest.approx(1, rel=1e-4))
    opposite = interference(Stack((StackEntry(adapter, 0.5, 0.5), StackEntry(adapter, -0.5, -0.5))))
    assert opposite.effective_total == pytest.approx(0, abs=1e-3)


def test_adapters_that_have_nothing_in_common_add_up_as_a_root_of_squares(make_adapter: Any) -> None:
    adapter = make_adapter(rank=2)

    def on(half: int) -> Any:
        """Its updates on one half of the rows."""
        modules = {}
        for key, update in adapter.modules.items():
            up = torch.zeros_like(update.up)
            rows = slice(half * len(up) // 2, (half + 1) * len(up) // 2)
            up[rows] = update.up[: len(up[rows])]
            modules[key] = replace(update, up=up)
        return replace(adapter, modules=modules)

    found = interference(Stack((StackEntry(on(0), 0.6, 0.6), StackEntry(on(1), 0.8, 0.8))))
    assert found.effective_total == pytest.approx(1.0, rel=0.02)
    assert found.overlap(0, 1)[1] == pytest.approx(0, abs=1e-6)


def test_a_warning_needs_more_than_large_weights(make_adapter: Any) -> None:
    """Five adapters at 0.6 that have nothing in common amount to 1.3, the same one five times to 3."""
    apart = Stack(tuple(StackEntry(make_adapter(f"{number}", seed=number), 0.6, 0.6) for number in range(5)))
    alike = Stack(apart.entries[:1] * 5)
    assert not [told for told in warnings(apart) if "tend to break" in told]
    assert "amount to 3.00" in warnings(alike)[0]


def test_adapters_of_different_models_are_refused(make_adapter: Any) -> None:
    fox = make_adapter()
    key, update = next(iter(fox.modules.items()))
    smaller = replace(fox, modules={key: replace(update, up=update.up[:-1])})
    with pytest.raises(AdapterError, match="different shapes"):
        interference(Stack((StackEntry(fox), StackEntry(smaller))))


def test_directions_are_those_of_the_singular_values() -> None:
    torch.manual_seed(0)
    up, down = torch.randn(12, 3), torch.randn(3, 9)
    factors = Factors.of(LowRank(down=down, up=up, alpha=1.5), 0.7, None)
    change = 0.7 * 0.5 * up @ down
    torch.testing.assert_close(factors.product(), change)
    for side, of in ((factors.inputs, change.T), (factors.outputs, change)):
        assert side.shape == (len(of), 3)
        torch.testing.assert_close(side @ side.T @ of, of, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(side.T @ side, torch.eye(3), rtol=0, atol=1e-5)


def test_whole_matrices_count_like_factors() -> None:
    torch.manual_seed(0)
    update = LowRank(down=torch.randn(3, 9), up=torch.randn(12, 3), alpha=3.0)
    thin, whole = Factors.of(update, 1.0, None), Factors(update.delta(), None)
    other = Factors(torch.randn(12, 9), None)
    assert thin.inner(other) == pytest.approx(whole.inner(other), rel=1e-4)
    assert thin.inner(thin) == pytest.approx(whole.inner(thin), rel=1e-4)
    assert thin.inputs.shape == whole.inputs.shape and thin.outputs.shape == whole.outputs.shape
