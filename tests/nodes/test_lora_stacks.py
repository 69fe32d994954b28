"""Stacks that go to other extensions and come from them, and state dicts in the place of adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import file_tensors, load_adapter, save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, BaseModelError, OtherKindError, WorkflowError
from lora_workbench.headless.executor import Executor, Outcome
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.adapters.apply_stack import ApplyStack
from lora_workbench.nodes.adapters.load_adapter import LoadAdapter
from lora_workbench.nodes.adapters.save_adapter import SaveAdapter
from lora_workbench.nodes.adapters.stack_adapters import StackAdapters
from lora_workbench.nodes.host import host, io
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.lora_stacks import contents

KEY = "denoiser.mid_block.attentions.0.proj_in"


@pytest.fixture
def output(host: HeadlessHost) -> Path:
    """The host's output folder."""
    return host.output_directory()


def adapter(name: str = "fox", seed: int = 0) -> Adapter:
    import torch

    generator = torch.Generator().manual_seed(seed)
    update = LowRank(torch.randn(2, 8, generator=generator), torch.randn(6, 2, generator=generator), 1.0)
    metadata = {"modelspec.trigger_phrase": f"ohwx {name}"}
    return Adapter(name=name, family="sd1", modules={KEY: update}, metadata=metadata)


def saved(name: str, seed: int = 0) -> Adapter:
    """An adapter with a file in the folder for LoRAs."""
    path = host().adapter_directory() / f"{name}.safetensors"
    return save_adapter(adapter(Path(name).name, seed), path, key_style="kohya")


def stacked(entry: Adapter, *weights: float, enabled: bool = True, **inputs: Any) -> io.NodeOutput:
    weight, text_encoder_weight = weights or (0.8, 0.5)
    return StackAdapters.execute(entry, weight, text_encoder_weight, enabled, **inputs)


def files(output: Path) -> list[str]:
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*.safetensors"))


def test_a_file_goes_out_under_its_name(output: Path) -> None:
    assert list(stacked(saved("sub/fox")).args[2]) == [("sub/fox.safetensors", 0.8, 0.5)]
    assert files(output) == ["loras/sub/fox.safetensors"]


def test_what_is_off_does_not_go_out(output: Path) -> None:
    below = stacked(saved("fox"), enabled=False).args[0]
    below = stacked(saved("owl", 1), 0.0, 0.0, stack=below).args[0]
    assert list(stacked(saved("bee", 2), stack=below).args[2]) == [("bee.safetensors", 0.8, 0.5)]


def test_an_adapter_without_a_file_gets_one_when_somebody_looks(output: Path) -> None:
    names = stacked(adapter()).args[2]
    assert files(output) == []
    fox, others = ("fox.safetensors", 0.8, 0.5), [("other.safetensors", 1.0, 1.0)]
    assert (others + names, names + others) == ([*others, fox], [fox, *others])
    assert (len(names), names[0], names[:1], names.copy()) == (1, fox, [fox], [fox])
    assert files(output) == ["loras/fox.safetensors"]
    assert load_adapter(output / "loras" / "fox.safetensors").trigger == "ohwx fox"


def test_no_file_of_the_same_name_is_taken_for_it(output: Path, tmp_path: Path) -> None:
    """Neither another adapter's, nor the run store's own, nor one that loaders don't find."""
    saved("fox", seed=7)
    hidden = tmp_path / "fox.safetensors"
    save_adapter(adapter(), hidden, key_style="kohya")
    assert host().adapter_name(hidden) is None
    in_store = host().store_root() / "runs" / "fox.safetensors"
    save_adapter(adapter(), in_store, key_style="kohya")
    assert host().adapter_name(in_store) is None
    assert host().adapter_name(Path("/elsewhere/fox.safetensors")) is None
    names = stacked(replace(adapter(), path=in_store)).args[2]
    assert list(names) == [("fox_00002.safetensors", 0.8, 0.5)]


def test_files_of_others_go_below(output: Path) -> None:
    saved("sub/owl", 1)
    given = [("None", 1.0, 1.0), ("sub\\owl.safetensors", 0.3, 0)]
    result = stacked(saved("fox"), stack=Stack((StackEntry(saved("bee", 2)),)), lora_stack=given)
    stack, triggers, names = result.args
    assert [entry.adapter.name for entry in stack.entries] == ["owl", "bee", "fox"]
    assert [entry.weight for entry in stack.entries] == [0.3, 1.0, 0.8]
    assert triggers == "ohwx owl, ohwx bee, ohwx fox"
    assert [name for name, *_ in names] == ["sub/owl.safetensors", "bee.safetensors", "fox.safetensors"]


def test_other_kinds_are_left_to_comfyui(output: Path) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = file_tensors(adapter(), dtype="float16")
    tensors["lora_unet_mid_block_attentions_0_proj_in.a1.weight"] = torch.ones(6, 1)
    host().adapter_directory().mkdir(parents=True)
    save_file(tensors, host().adapter_directory() / "glora.safetensors", metadata={"modelspec.trigger_phrase": "rows"})
    found = contents([("glora.safetensors", 0, 0), ("glora.safetensors", 0.5, 1)])
    assert len(found.others) == 1
    assert (found.stack.entries, found.others[0].file.trigger, found.others[0].weight) == ((), "rows", 0.5)
    with pytest.raises(AdapterError, match=r"glora\.safetensors in the LORA_STACK can't be added to an LW_STACK"):
        stacked(saved("fox"), lora_stack=[("glora.safetensors", 0.5, 1)])
    with pytest.raises(OtherKindError, match=r"a1\.weight"):
        LoadAdapter.execute("glora.safetensors")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (("gone.safetensors", 1, 1), "No adapter at 'gone.safetensors'"),
        (("fox.safetensors", 1), "contains"),
        (("fox.safetensors", "much", 1), "contains"),
        (7, "contains 7"),
    ],
)
def test_a_bad_entry_is_named(output: Path, entry: Any, told: str) -> None:
    saved("fox")
    with pytest.raises(AdapterError, match=told):
        contents([entry])


def test_applying_needs_comfyui(output: Path) -> None:
    with pytest.raises(BaseModelError, match="only inside ComfyUI"):
        ApplyStack.execute(object(), stack=Stack())


class Taken(io.ComfyNode):
    """Stands for a node of another extension."""

    seen: list[Any] = []  # noqa: RUF012

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="T_Taken",
            inputs=[io.Custom("LORA_STACK").Input("lora_stack", optional=True), io.String.Input("label", default="")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, label: str, lora_stack: Any = None) -> io.NodeOutput:
        cls.seen.append(lora_stack and list(lora_stack))
        return io.NodeOutput()


class Made(io.ComfyNode):
    """Stands for a training."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="T_Made",
            inputs=[],
            outputs=[
                io.Custom("LW_ADAPTER").Output("adapter"),
                io.LoraModel.Output("lora_model"),
                io.Latent.Output("latent"),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(adapter(), file_tensors(adapter(), dtype="float32"), None)


@pytest.fixture
def run(output: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Run small graphs in one process."""
    Taken.seen.clear()
    executor = Executor({**registry(), "T_Taken": Taken, "T_Made": Made}, host())

    def run(**nodes: tuple[str, dict[str, Any]]) -> Outcome:
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps({n: {"class_type": kind, "inputs": inputs} for n, (kind, inputs) in nodes.items()}))
        return executor.run(read_workflow(path, executor._registry))

    return run


WEIGHTS = {"weight": 0.8, "text_encoder_weight": 0.5, "enabled": True}


def test_linking_the_output_saves_the_file_also_when_the_node_has_run(run: Any, output: Path) -> None:
    made = ("T_Made", {})
    stack = ("LW_StackAdapters", {"adapter": ["made", 0], **WEIGHTS})
    outcome = run(made=made, stack=stack, out=("T_Taken", {"label": ["stack", 1]}))
    assert (files(output / "loras"), outcome.adapters) == ([], [])
    run(made=made, stack=stack, out=("T_Taken", {"label": "", "lora_stack": ["stack", 2]}))
    assert Taken.seen == [None, [("fox.safetensors", 0.8, 0.5)]]
    assert files(output / "loras") == ["fox.safetensors"]


def test_a_saved_file_is_reported(run: Any, output: Path) -> None:
    stack = ("LW_StackAdapters", {"adapter": ["made", 0], **WEIGHTS})
    outcome = run(made=("T_Made", {}), stack=stack, out=("T_Taken", {"label": "", "lora_stack": ["stack", 2]}))
    assert outcome.adapters == [str(output / "loras" / "fox.safetensors")]


def test_a_state_dict_is_taken_for_an_adapter(run: Any, output: Path) -> None:
    save = {"filename": "fox", "dtype": "float32"}
    run(
        made=("T_Made", {}),
        a=("LW_SaveAdapter", {"adapter": ["made", 0], **save}),
        b=("LW_SaveAdapter", {"adapter": ["made", 1], **save}),
    )
    assert files(output / "loras") == ["fox.safetensors"], "both hold the same tensors"


def test_a_link_of_another_type_is_refused_by_all_names(run: Any) -> None:
    with pytest.raises(WorkflowError, match=r"got LATENT from .* expected LW_ADAPTER or LORA_MODEL"):
        run(made=("T_Made", {}), a=("LW_SaveAdapter", {"adapter": ["made", 2], "filename": "", "dtype": "float32"}))


def test_a_state_dict_of_core_is_saved_with_its_biases(output: Path) -> None:
    """Core's trainer changes norms and biases, too."""
    import torch

    module = "diffusion_model.middle_block.1"
    tensors = {
        f"{module}.proj_in.lora_down.weight": torch.ones(2, 8),
        f"{module}.proj_in.lora_up.weight": torch.ones(6, 2),
        f"{module}.proj_in.diff_b": torch.ones(6),
        f"{module}.norm.diff": torch.ones(8),
        f"{module}.norm.diff_b": torch.ones(8),
    }
    report = SaveAdapter.execute(tensors, "", "float16").ui["lw_report"][0]
    stored = load_adapter(output / report["path"]).modules
    assert torch.equal(stored["denoiser.middle_block.1.proj_in"].bias, torch.ones(6))
    assert torch.equal(stored["denoiser.middle_block.1.norm"].delta(torch.zeros(8)), torch.ones(8))
    with pytest.raises(OtherKindError, match=r"proj_in\.a1"):
        SaveAdapter.execute({**tensors, f"{module}.proj_in.a1.weight": torch.ones(6)}, "", "float16")
