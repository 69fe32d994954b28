"""The nodes that measure and combine stacks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.nodes.adapters.combine_adapters import CombineAdapters
from lora_workbench.nodes.adapters.stack_report import StackReport

pytestmark = pytest.mark.usefixtures("host")
LAYERS = ("denoiser.down_blocks_0_attentions_0_proj_in", "denoiser.mid_block_attentions_0_proj_in",
          "text_encoder.encoder_layers_3_mlp_fc1")  # fmt: skip


def adapter(name: str, seed: int) -> Adapter:
    torch.manual_seed(seed)
    modules = {key: LowRank(down=torch.randn(2, 24), up=torch.randn(20, 2), alpha=2.0) for key in LAYERS}
    return Adapter(name=name, family="sd1", modules=modules, bound=False, metadata={"modelspec.trigger_phrase": name})


def stack(*weights: float) -> Stack:
    entries = (StackEntry(adapter(f"a{number}", number), weight, weight) for number, weight in enumerate(weights))
    return Stack(tuple(entries))


def report(given: Stack) -> tuple[Any, dict[str, Any]]:
    output = StackReport.execute(stack=given)
    return output.args, output.ui["lw_report"][0]


def test_a_sound_stack_goes_through_as_it_is() -> None:
    given = stack(0.5, 0.4)
    (through, plot, text, total), values = report(given)
    assert through.entries == given.entries
    assert plot.shape[0] == 1 and plot.shape[-1] == 3
    assert total == pytest.approx(0.64, abs=0.1)
    assert "a0 0.5 and a1 0.4 keep apart" in text and "tend to break" not in text
    assert "could be stronger" in text
    assert list(values["blocks"]) == ["down.0", "mid", "te.3"]
    assert sum(own["owns"] for own in values["adapters"]) == pytest.approx(1, abs=1e-3)


def test_too_much_is_told_and_lowered_by_one_factor() -> None:
    given = stack(2.0, 1.0, 2.0)
    (through, _, text, total), values = report(given)
    assert total > 2.5 and values["breaks"] and "tend to break" in text
    factor = values["suggested_factor"]
    assert factor < 0.7 and f"times {factor:.2f}" in text
    assert [entry.weight for entry in through.entries] == pytest.approx([2 * factor, factor, 2 * factor], rel=1e-3)
    assert not report(through)[1]["breaks"]


def test_an_empty_stack_is_said_to_be_one() -> None:
    (_, _, text, total), _ = report(Stack())
    assert text == "No adapter of the stack has an effect." and total == 0


def combine(given: Stack, **inputs: Any) -> tuple[Stack, str]:
    defaults = {"mode": "sum", "amount": 1.6, "strength": 0.5, "protect": ""}
    made, _, text = CombineAdapters.execute(stack=given, **{**defaults, **inputs}).args
    return made, text


def test_modes_of_combining() -> None:
    given = stack(0.8, 0.6)
    assert combine(given)[0].entries == given.entries
    assert combine(given, mode="total weight", amount=1.0)[0].total_weight() == pytest.approx(1.0)
    scaled, _ = combine(given, mode="effective total", amount=2.0)
    assert StackReport.execute(stack=scaled).args[3] == pytest.approx(2.0, rel=1e-3)
    moved, _ = combine(given, mode="make way", strength=1.0, protect="a0")
    assert moved.entries[0].adapter is given.entries[0].adapter
    assert moved.entries[1].adapter.content_hash != given.entries[1].adapter.content_hash
    assert moved.triggers() == ("a0", "a1")


def test_inputs_that_a_mode_does_not_read_are_named() -> None:
    _, text = combine(stack(0.8, 0.6), mode="total weight", protect="a0", strength=0.9)
    assert "Not used, as the mode is total weight: strength 0.9, protect a0." in text


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AdapterError, match="no adapter named owl"):
        combine(stack(0.8, 0.6), mode="make way", protect="owl")
