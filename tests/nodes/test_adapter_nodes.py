"""Adapters of other programs, and private ones, through the nodes and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.adapters.files import load_adapter, read_metadata
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.nodes.adapters.load_adapter import LoadAdapter
from lora_workbench.nodes.adapters.save_adapter import SaveAdapter
from lora_workbench.nodes.adapters.stack_adapters import StackAdapters
from lora_workbench.nodes.host.headless import HeadlessHost

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 8, "peft_version": "0.21.2"}
MODULE = "mid_block.attentions.0.proj_in"


@pytest.fixture
def loras(host: HeadlessHost) -> Path:
    return host.adapter_directory()


def peft_folder(folder: Path, **changes: Any) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    name = f"base_model.model.{MODULE}"
    tensors = {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(6, 2)}
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **changes}))
    return folder


def test_a_folder_of_peft_is_listed_and_loaded_by_its_name(loras: Path) -> None:
    peft_folder(loras / "animals" / "fox")
    peft_folder(loras / "owl" / "unet")
    (loras / "plain.safetensors").touch()
    assert LoadAdapter.GET_SCHEMA().inputs[0].options["options"] == ["animals/fox", "owl", "plain.safetensors"]
    output = LoadAdapter.execute("animals/fox")
    assert output.args[0].modules[f"denoiser.{MODULE}"].alpha == 8
    text = output.ui["text"][0]
    assert text.startswith("fox: lora, rank 2, alpha 8, 1 module; no trigger phrase in the file")
    assert "written by peft 0.21.2; scale: adapter_config.json" in text
    assert LoadAdapter.execute("animals/fox/adapter_model.safetensors").args[0].name == "fox"


def test_a_changed_configuration_is_another_adapter(loras: Path) -> None:
    folder = peft_folder(loras / "fox")
    before = LoadAdapter.fingerprint_inputs(adapter="fox")
    assert LoadAdapter.execute("fox").args[0].modules[f"denoiser.{MODULE}"].alpha == 8
    config = folder / "adapter_config.json"
    config.write_text(config.read_text().replace("8", "4", 1))
    assert LoadAdapter.fingerprint_inputs(adapter="fox") != before
    assert LoadAdapter.execute("fox").args[0].modules[f"denoiser.{MODULE}"].alpha == 4


def test_other_extensions_get_it_at_its_strength(loras: Path) -> None:
    """They would read the tensors alone, so a file of its own is saved for them."""
    from lora_workbench.nodes.kit.lora_stacks import named

    peft_folder(loras / "fox")
    stack = StackAdapters.execute(LoadAdapter.execute("fox").args[0], 0.8, 1.0, True).args[0]
    [(name, weight, _)] = named(stack).entries
    assert (name, weight) == ("fox.safetensors", 0.8)
    assert [update.alpha for update in load_adapter(loras / name).modules.values()] == [8]


def test_what_comfyui_would_apply_too_weakly_is_refused(loras: Path) -> None:
    import torch
    from lora_workbench.nodes.kit.lora_stacks import contents
    from safetensors.torch import load_file, save_file

    file = peft_folder(loras / "fox") / "adapter_model.safetensors"
    save_file({**load_file(file), f"base_model.model.{MODULE}.a1.weight": torch.ones(2)}, file)
    with pytest.raises(AdapterError, match="GLoRA"):
        contents([("fox", 1.0, 1.0)])


def test_a_private_file_has_no_captions(loras: Path) -> None:
    from dataclasses import replace

    adapter = LoadAdapter.execute(str(peft_folder(loras / "fox"))).args[0]
    adapter = replace(adapter, metadata={"lw.dataset": "[a caption]", "modelspec.title": "fox"})
    open_file = SaveAdapter.execute(adapter, "open", "float32").args[0]
    closed = SaveAdapter.execute(adapter, "closed", "float32", private=True).args[0]
    assert "lw.dataset" in read_metadata(open_file)
    assert read_metadata(closed).keys() == {"modelspec.title", "modelspec.hash_sha256"}


def test_the_command_line_tells_where_the_strength_comes_from(
    loras: Path, host: HeadlessHost, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = peft_folder(loras / "fox", use_rslora=True)
    assert cli.main(["adapters", "inspect", str(folder), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["writer"], facts["scale"], facts["kinds"]) == ("peft 0.21.2", "adapter_config.json", ["lora"])
    assert facts["alphas"] == [pytest.approx(8 * 2**0.5)]
    assert cli.main(["adapters", "list", "--output", str(host.output_directory()), "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["bytes"]) == ("fox", (folder / "adapter_model.safetensors").stat().st_size)


def test_a_dora_is_saved_in_the_form_of_its_readers(loras: Path, tiny_sd1: Path) -> None:
    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.kinds import Decomposed, LowRank
    from lora_workbench.engine.models.registry import load_base

    base = load_base(tiny_sd1, device="cpu")
    path = "down_blocks.0.attentions.0.proj_in"
    weight = base.denoiser.get_submodule(path).weight.detach()
    torch.manual_seed(0)
    turn = LowRank(torch.randn(2, *weight.shape[1:]), torch.randn(len(weight), 2, *[1] * (weight.ndim - 2)), 1.0)
    update = Decomposed(turn, torch.rand(len(weight), *[1] * (weight.ndim - 1)))
    adapter = Adapter(name="fox", family="sd1", modules={f"denoiser.{path}": update})
    assert "ComfyUI's own loaders make this DoRA weaker" in SaveAdapter.execute(adapter, "", "float32").ui["text"][0]
    for save_as, mark in (("ComfyUI", "unchanged"), ("other programs", None), ("plain LoRA", None)):
        output = SaveAdapter.execute(adapter, save_as, "float32", save_as=save_as, rank=4, base=base)
        [read] = load_adapter(output.args[0]).modules.values()
        assert read_metadata(output.args[0]).get("lw.dora_norms") == mark
        if save_as != "plain LoRA":
            torch.testing.assert_close(read.delta(weight), update.delta(weight))
            continue
        report, text = output.ui["lw_report"][0], output.ui["text"][0]
        assert 0 < report["error"] == report["worst"]["error"] < 1
        assert "1 layer turned into LoRAs of rank up to 4, with an error of " in text
