"""*Stack* and *Prompt*: rows and tags as stacks, trigger words that travel, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.described_rows import described
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.headless.executor import Executor
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.adapters.stack import StackRows
from lora_workbench.nodes.adapters.stack_adapters import StackAdapters
from lora_workbench.nodes.generation.prompt import Prompt
from lora_workbench.nodes.host import host, io
from lora_workbench.nodes.kit.lora_stacks import as_stack

MID, UP = "denoiser.mid_block.attentions.0.proj_in", "denoiser.up_blocks.1.attentions.0.proj_in"


def save(name: str, seed: int = 0, **metadata: str) -> Adapter:
    """An adapter with a file in the folder for LoRAs."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    modules = {
        key: LowRank(torch.randn(2, 8, generator=generator), torch.randn(6, 2, generator=generator), 1.0)
        for key in (MID, UP)
    }
    stem = Path(name).name
    metadata = {"modelspec.trigger_phrase": f"ohwx {stem}", "lw.family": "sd1", **metadata}
    made = Adapter(name=stem, family="sd1", modules=modules, metadata=metadata)
    return save_adapter(made, host().adapter_directory() / f"{name}.safetensors", key_style="kohya")


@pytest.fixture
def library(host: Any) -> None:
    """Files, two of the same name."""
    save("subjects/fox", **{"lw.triggers": json.dumps(["ohwx fox", "zwx fox"])})
    save("a/owl", 1)
    save("b/owl", 2)
    save("riso", 3)


def entries(node: io.NodeOutput) -> list[tuple[str, float, float]]:
    return [(entry.adapter.name, entry.weight, entry.text_encoder_weight) for entry in node.args[0].entries]


def text_of(node: io.NodeOutput) -> str:
    return node.ui["text"][0]


@pytest.mark.usefixtures("library")
def test_rows_become_a_stack_in_their_order() -> None:
    node = StackRows.execute("on | fox | 0.8 | 0.6 | up=0.5\noff | gone\non | b\\owl | -0.5\non|riso|0.3|||-")
    assert entries(node) == [("fox", 0.8, 0.6), ("owl", -0.5, -0.5), ("riso", 0.3, 0.3)]
    fox = node.args[0].entries[0]
    assert [key for key in fox.adapter.modules if fox.weight_for(key) == 0.4] == [
        key for key in fox.adapter.modules if "up" in key
    ]
    assert node.args[1] == "ohwx fox, ohwx owl"
    assert "fox 0.8 / 0.6 (up=0.5): ohwx fox\nowl -0.5: ohwx owl\nriso 0.3: no trigger phrase" in text_of(node)


@pytest.mark.usefixtures("library")
def test_trigger_phrases_are_chosen_by_row_and_strange_ones_told() -> None:
    assert StackRows.execute("on | fox | 1 | | | zwx fox; ohwx fox").args[1] == "zwx fox, ohwx fox"
    node = StackRows.execute("on | fox | 1 | | | zwx foxx")
    assert node.args[1] == "zwx foxx"
    assert "'zwx foxx' isn't among the trigger phrases of fox ('ohwx fox', 'zwx fox')" in text_of(node)


@pytest.mark.usefixtures("library")
def test_all_that_is_wrong_is_told_before_a_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from lora_workbench.engine.adapters.file_cache import FileCache

    monkeypatch.setattr(FileCache, "read", lambda *_: pytest.fail("nothing may be read by halves"))
    told = StackRows.validate_inputs("on | owl\non | risso | 1\non | fox\non | ../../etc/passwd")
    for words in (
        "line 1: 'owl' may be a/owl.safetensors or b/owl.safetensors",
        "line 2: There is no adapter 'risso'; did you mean riso.safetensors?", "line 4: There is no adapter",
    ):  # fmt: skip
        assert words in str(told)
    assert "line 3" not in str(told)
    assert "line 2: 'x' isn't a weight" in str(StackRows.validate_inputs("on | riso\non | riso | x"))
    assert StackRows.validate_inputs(None) is True


@pytest.mark.usefixtures("library")
def test_blocks_that_dont_fit_and_damaged_files_are_told_together() -> None:
    (host().adapter_directory() / "torn.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    with pytest.raises(ConfigError) as caught:
        StackRows.execute("on | fox | 1 | | down=0\non | riso\non | torn")
    for words in ("line 1: The block weights 'down=0' don't fit fox", "mid, up.1", "line 3:", "torn.safetensors"):
        assert words in str(caught.value)


@pytest.mark.usefixtures("library")
def test_other_stacks_come_first_and_keep_what_they_carry() -> None:
    fox = StackEntry(load_adapter(host().adapter_path("subjects/fox.safetensors")), 0.7, triggers=("zwx fox",))
    node = StackRows.execute("on | riso", stack=Stack((fox,)), lora_stack=[("a/owl.safetensors", 0.2, 0.1)])
    assert entries(node) == [("owl", 0.2, 0.1), ("fox", 0.7, 1.0), ("riso", 1.0, 1.0)]
    assert node.args[1] == "ohwx owl, zwx fox, ohwx riso"
    further = StackAdapters.execute(fox.adapter, 0.5, 0.5, True, stack=node.args[0])
    assert further.args[0].entries[1] is fox
    assert further.args[1] == "ohwx owl, zwx fox, ohwx riso, ohwx fox"


@pytest.mark.usefixtures("library")
def test_block_weights_leave_in_a_file_of_their_own() -> None:
    """Which other programs load at the strengths that the stack has."""
    import torch

    node = StackRows.execute("on | fox | 0.8 | 0.6 | mid=0, up=0.5\non | riso")
    names = list(node.args[2])
    assert names == [("fox-blocks.safetensors", 0.8, 0.6), ("riso.safetensors", 1.0, 1.0)]
    made = load_adapter(host().adapter_path("fox-blocks.safetensors"))
    whole = load_adapter(host().adapter_path("subjects/fox.safetensors"))
    (key,) = made.modules
    assert "up" in key
    torch.testing.assert_close(made.modules[key].delta(None), 0.5 * whole.modules[key].delta(None))  # type: ignore[arg-type]
    assert made.triggers == whole.triggers


@pytest.mark.usefixtures("library")
def test_a_changed_file_makes_the_node_run_again() -> None:
    rows = "on | riso\noff | gone"
    before = StackRows.fingerprint_inputs(rows)
    assert before == StackRows.fingerprint_inputs(rows)
    save("riso", 9)
    assert StackRows.fingerprint_inputs(rows) != before


@pytest.mark.usefixtures("library")
def test_prompts_name_adapters_and_get_trigger_words() -> None:
    below = StackRows.execute("on | riso | 0.5").args[0]
    node = Prompt.execute("<lora:fox:0.8:0.6:lbw=up=0.5> on a hill\n\nan ohwx fox, {trigger:riso}", "start", below)
    assert node.args[0] == "ohwx riso, ohwx fox, on a hill\nan ohwx fox, ohwx riso"
    assert [entry.label for entry in node.args[1].entries] == ["riso 0.5", "fox 0.8 (up=0.5)"]
    assert node.args[2] == "ohwx riso, ohwx fox"
    assert "one prompt names count for all prompts" in text_of(node)


@pytest.mark.usefixtures("library")
def test_prompts_without_tags_leave_the_stack_as_it_is() -> None:
    below = StackRows.execute("on | riso | 0.5").args[0]
    node = Prompt.execute("on a hill", "placeholders only", below)
    assert (node.args[0], node.args[1]) == ("on a hill", below)
    assert "Without a place in some prompt: ohwx riso" in text_of(node)
    assert Prompt.execute("a fox", "start").args[:2] == ("a fox", Stack())


@pytest.mark.usefixtures("library")
def test_tags_that_cant_be_used_are_told_together() -> None:
    told = str(Prompt.validate_inputs("<lora:owl:1> and <lora:risso>\n<lora:fox:strong>"))
    for words in ("<lora:owl>: 'owl' may be a/owl", "There is no adapter 'risso'", "<lora:fox:strong>: 'strong'"):
        assert words in told
    with pytest.raises(ConfigError, match="'down=0' don't fit fox"):
        Prompt.execute("<lora:fox:1:lbw=down=0>", "start")


@pytest.mark.usefixtures("library")
def test_the_editor_is_told_what_rows_are() -> None:
    def told_of(text: str) -> dict[str, Any]:
        return described(text, host().adapter_files(), host().adapter_path)

    told = told_of("# mine\non | fox | 0.8\noff | risso\non | riso | 1 | | down=1")
    fox, gone, riso = told["rows"]
    assert (fox["line"], fox["phrases"], fox["blocks"]) == (2, ("ohwx fox", "zwx fox"), ["mid", "up.1"])
    assert "did you mean riso.safetensors?" in gone["problem"]
    assert "no block down" in riso["problem"]
    assert told_of('[["fox", 0.8, 0.8]]')["text"] == "on | fox | 0.8"
    assert told_of("on | fox | x")["problems"] == ["line 1: 'x' isn't a weight from -10 to 10"]
    assert json.dumps(told)


@pytest.mark.usefixtures("library")
def test_what_else_is_wrong_with_a_stack_is_told() -> None:
    save("giant", 5, **{"lw.family": "flux"})
    told = text_of(StackRows.execute("on | fox | 2.5\non | giant\non | subjects/fox"))
    for words in ("different families (flux, sd1)", "amount to 3.", "fox is in the stack more than once"):
        assert words in told
    with pytest.raises(AdapterError, match="fox has the weights nan and 1"):
        StackRows.execute("on | riso", lora_stack=[("subjects/fox.safetensors", float("nan"), 1.0)])
    assert text_of(StackRows.execute("off | fox")) == "no adapter is on"


class Read(io.ComfyNode):
    """Stands for a node of another extension."""

    seen: list[Any] = []  # noqa: RUF012

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Custom("LW_STACK").Input("stack"), io.String.Input("prompt", default="")]
        return io.Schema(node_id="T_Read", inputs=inputs, is_output_node=True)

    @classmethod
    def execute(cls, stack: Stack, prompt: str) -> io.NodeOutput:
        cls.seen.append((prompt, [entry.label for entry in stack.entries]))
        return io.NodeOutput()


@pytest.mark.usefixtures("library")
def test_a_graph_runs_headless_from_the_text_alone(tmp_path: Path) -> None:
    graph = {
        "1": {"class_type": "LW_Stack", "inputs": {"rows": "on | fox | 0.8 | 0.6 | up=0.5 | zwx fox"}},
        "2": {"class_type": "LW_Prompt", "inputs": {"prompt": "on a hill", "placement": "end", "stack": ["1", 0]}},
        "3": {"class_type": "T_Read", "inputs": {"stack": ["2", 1], "prompt": ["2", 0]}},
    }
    file = tmp_path / "graph.json"
    file.write_text(json.dumps(graph), encoding="utf-8")
    nodes = {**registry(), "T_Read": Read}
    Executor(nodes, host()).run(read_workflow(file, nodes))
    assert Read.seen == [("on a hill, zwx fox", ["fox 0.8 (up=0.5)"])]


@pytest.mark.usefixtures("library")
def test_trigger_phrases_beside_the_file_travel_with_rows_and_lora_stacks() -> None:
    """Civitai's and A1111's programs keep them in files of their own."""
    beside = host().adapter_directory() / "riso.json"
    beside.write_text('{"activation text": "risograph print"}', encoding="utf-8")
    before = StackRows.fingerprint_inputs(rows="on | riso")
    stack, _, lora_stack = StackRows.execute("on | riso").args
    assert stack.entries[0].adapter.triggers == ("ohwx riso", "risograph print")
    assert as_stack(lora_stack).entries[0].adapter.triggers == ("ohwx riso", "risograph print")
    beside.write_text('{"activation text": "other words"}', encoding="utf-8")
    assert StackRows.fingerprint_inputs(rows="on | riso") != before
