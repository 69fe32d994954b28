"""Merge, Resize, Subtract and Bake, and Save Adapter's names, as graphs use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.nodes.adapters import merge_adapters, resize_adapter
from lora_workbench.nodes.adapters.bake_stack import BakeStack
from lora_workbench.nodes.adapters.mask_adapter import MaskAdapter
from lora_workbench.nodes.adapters.merge_adapters import MergeAdapters
from lora_workbench.nodes.adapters.resize_adapter import ResizeAdapter
from lora_workbench.nodes.adapters.save_adapter import SaveAdapter
from lora_workbench.nodes.adapters.schedule_adapter import ScheduleAdapter
from lora_workbench.nodes.adapters.subtract_adapters import SubtractAdapters
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.training.save_base import SaveBase
from made_adapters import random_adapter
from safetensors import safe_open
from tiny import save_tiny_sd1


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_base(save_tiny_sd1(tmp_path_factory.mktemp("tiny") / "base"), device="cpu", precision="fp32")


@pytest.fixture
def fox(base: Backbone) -> Adapter:
    return random_adapter(base, "fox", trigger="ohwx fox", rank=2)


@pytest.fixture
def riso(base: Backbone) -> Adapter:
    return random_adapter(base, "riso", seed=1, trigger="zwx riso", rank=2)


def merge(*adapters: Adapter, method: str = "exact", name: str = "", **changes: Any) -> Any:
    inputs = {**merge_adapters.DEFAULTS, **changes}
    stack = Stack(tuple(StackEntry(adapter, 0.5) for adapter in adapters))
    return MergeAdapters.execute(method=method, name=name, **inputs, stack=stack)


def test_a_merged_adapter_has_the_names_and_triggers_of_all(fox: Adapter, riso: Adapter) -> None:
    output = merge(fox, riso)
    adapter, report, tensors = output.args
    assert (adapter.name, adapter.rank, adapter.trigger) == ("fox + riso", 4, "ohwx fox, zwx riso")
    assert "no error but rounding" in report and "fox: weight 0.5" in report
    assert len(tensors) == 3 * len(adapter.modules)
    assert output.ui["lw_report"][0]["triggers"] == ["ohwx fox, zwx riso", "ohwx fox", "zwx riso"]


@pytest.mark.parametrize(
    ("method", "changes", "unused"),
    [
        ("exact", {}, ""),
        ("exact", {"rank": 8, "seed": 3}, "Not used, as the method is exact: rank 8, seed 3."),
        ("ties", {"rank": 2, "density": 0.3, "drop": 0.9}, "Not used, as the method is ties: drop 0.9."),
        ("dare", {"rank": 2, "drop": 0.1, "seed": 4}, ""),
    ],
)
def test_inputs_that_the_method_doesnt_use_are_named(
    fox: Adapter, riso: Adapter, method: str, changes: dict[str, Any], unused: str
) -> None:
    output = merge(fox, riso, method=method, name="both", **changes)
    assert output.ui["lw_report"][0].get("unused", "") == unused
    assert unused in output.args[1] and output.args[0].name == "both"


def test_a_stack_of_another_extension_is_merged_too(host: HeadlessHost, fox: Adapter, riso: Adapter) -> None:
    SaveAdapter.execute(fox, "fox", "float32")
    stack = Stack((StackEntry(riso, 0.5),))
    output = MergeAdapters.execute(
        "exact", name="", **merge_adapters.DEFAULTS, stack=stack, lora_stack=[("fox.safetensors", 0.7, 0.2)]
    )
    assert output.args[0].trigger == "ohwx fox, zwx riso"
    with pytest.raises(AdapterError, match="nothing to merge"):
        MergeAdapters.execute("exact", name="", **merge_adapters.DEFAULTS)


def test_resizing_tells_the_error_and_what_isnt_used(fox: Adapter) -> None:
    output = ResizeAdapter.execute(fox, 1, "rank", resize_adapter.THRESHOLD, "")
    assert output.args[0].name == "fox" and output.args[0].rank == 1
    assert 0 < output.ui["lw_report"][0]["error"] < 1 and "relative error" in output.args[1]
    told = ResizeAdapter.execute(fox, 1, "rank", 0.5, "").args[1]
    assert "Not used, as the rule is rank: threshold 0.5." in told


def test_an_adapter_less_itself_is_nothing(fox: Adapter, riso: Adapter) -> None:
    none = SubtractAdapters.execute(fox, fox, 1.0, 1, "").args[0]
    assert all(update.delta().abs().max() < 1e-6 for update in none.modules.values())
    output = SubtractAdapters.execute(fox, riso, 0.5, 0, "")
    assert output.args[0].name == "fox - riso" and output.args[0].triggers == ("ohwx fox",)


def test_a_baked_model_is_saved_as_a_checkpoint(host: HeadlessHost, base: Backbone, fox: Adapter) -> None:
    output = BakeStack.execute(base, "", Stack((StackEntry(fox, 0.8),)))
    made, report, *native = output.args
    assert made.info.name == "base + fox" and "trigger words: ohwx fox" in report and native == [None] * 3
    saved = Path(SaveBase.execute(made, "", "checkpoint", "float16").args[0])
    with safe_open(saved, "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == "ohwx fox"


def test_save_adapter_writes_the_names_of_other_programs(host: HeadlessHost, base: Backbone, fox: Adapter) -> None:
    for names, begin in (("diffusers", "unet."), ("ComfyUI", "diffusion_model.input_blocks")):
        saved = SaveAdapter.execute(fox, names, "float32", base=base, names=names).args[0]  # type: ignore[arg-type]
        with safe_open(saved, "pt") as file:
            assert any(name.startswith(begin) for name in file.keys())  # noqa: SIM118


def test_a_schedule_is_for_the_adapter_of_that_name_or_number(fox: Adapter, riso: Adapter) -> None:
    stack = Stack((StackEntry(fox, 0.8), StackEntry(riso, 0.6)))
    for which, place in (("Fox", 0), ("1", 0), ("riso", 1), ("2", 1), ("", 1)):
        output = ScheduleAdapter.execute(stack, which, "0: 0, 0.3: 1")
        assert [bool(entry.steps) for entry in output.args[0].entries] == [place == 0, place == 1]
        assert output.args[1] == "ohwx fox, zwx riso"
        assert f"{'fox: weight 0.8' if place == 0 else 'riso: weight 0.6'} times 0: 0, 0.3: 1" in output.ui["text"][0]
    assert not ScheduleAdapter.execute(output.args[0], "riso", "").args[0].scheduled
    for which in ("owl", "3", "0"):
        with pytest.raises(ConfigError, match=r"it isn't in the stack(.|\n)*1 \(fox\), 2 \(riso\)"):
            ScheduleAdapter.execute(stack, which, "0: 1")
    with pytest.raises(ConfigError, match="there are 2 of that name"):
        ScheduleAdapter.execute(stack.adding(StackEntry(fox)), "fox", "0: 1")


def test_a_lora_stack_cant_hold_a_schedule(host: HeadlessHost, fox: Adapter) -> None:
    from lora_workbench.nodes.kit.lora_stacks import named

    with pytest.raises(AdapterError, match="which a LORA_STACK can't hold"):
        named(Stack((StackEntry(fox, steps=((0.5, 0.0),)),)))


def test_a_mask_is_a_box_or_what_is_linked(fox: Adapter, riso: Adapter) -> None:
    import torch

    stack = Stack((StackEntry(fox, 0.8), StackEntry(riso, 0.6)))
    output = MaskAdapter.execute(stack, "fox", "0.5, 0, 0.5, 1")
    assert [entry.mask is not None for entry in output.args[0].entries] == [True, False]
    assert output.args[1] == "ohwx fox, zwx riso" and output.ui["text"][0] == "fox: on 50% of the picture"
    told = MaskAdapter.execute(stack, "2", "0, 0, 1, 1", torch.full((1, 4, 4), 0.25)).ui["text"][0]
    assert told == "riso: on 25% of the picture\nNot used, as there is a mask: box 0, 0, 1, 1."
    for box in ("left", "0, 0, 2, 1", "0, 0, 1"):
        with pytest.raises(ConfigError):
            MaskAdapter.execute(stack, "", box)
