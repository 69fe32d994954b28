"""The vault in nodes: loading by name and by search, missing files, what travels with an adapter, and inspection."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.models.registry import load_base
from lora_workbench.nodes.adapters.inspect_adapter import InspectAdapter
from lora_workbench.nodes.adapters.load_adapter import LoadAdapter
from lora_workbench.nodes.adapters.save_adapter import SaveAdapter
from lora_workbench.nodes.adapters.stack_adapters import StackAdapters
from lora_workbench.nodes.host.headless import HeadlessHost
from vault_files import SDXL, lora_file


@pytest.fixture
def loras(host: HeadlessHost) -> Path:
    folder = host.adapter_directory()
    lora_file(folder / "animals" / "fox.safetensors", modelspec__trigger_phrase="ohwx fox", fill=1)
    lora_file(folder / "people" / "fox.safetensors", modelspec__trigger_phrase="Fox Mulder", fill=2)
    lora_file(folder / "ink_woodcut-v2.safetensors", stem=SDXL, rank=16, fill=3)
    return folder


def loaded(name: str, **options: Any) -> tuple[Adapter, str, str]:
    output = LoadAdapter.execute(name, **options)
    return output.args[0], output.args[1], output.ui["text"][0]


def test_slashes_of_both_kinds_tell_equal_names_apart(loras: Path) -> None:
    assert LoadAdapter.validate_inputs("people\\fox.safetensors") is True
    assert loaded("people\\fox.safetensors")[1] == loaded("people/fox.safetensors")[1] == "Fox Mulder"
    assert loaded("animals\\fox.safetensors")[1] == "ohwx fox"
    windows, unix = (LoadAdapter.fingerprint_inputs(f"people{slash}fox.safetensors") for slash in "\\/")
    assert windows == unix


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("fox.safetensors", "animals/fox.safetensors, people/fox.safetensors"),
        ("old/ink-woodcut.safetensors", "ink_woodcut-v2.safetensors"),
        ("Fox", "animals/fox.safetensors"),
    ],
)
def test_a_missing_file_names_those_like_it(loras: Path, name: str, near: str) -> None:
    told = LoadAdapter.validate_inputs(name)
    assert isinstance(told, str)
    assert f"No adapter at '{name}'" in told
    assert f"names like it are {near}" in told
    assert "check the name" in str(LoadAdapter.validate_inputs("zzzz"))


def test_a_renamed_file_is_named_by_its_content(loras: Path) -> None:
    loaded("ink_woodcut-v2.safetensors")
    (loras / "ink_woodcut-v2.safetensors").rename(loras / "style.safetensors")
    told = LoadAdapter.validate_inputs("ink_woodcut-v2.safetensors")
    assert "what was in it is now in style.safetensors" in str(told)


def test_a_damaged_or_locked_index_hinders_nothing(host: HeadlessHost, loras: Path) -> None:
    loaded("animals/fox.safetensors")
    host.vault_file().write_bytes(b"\xff" * 5000)
    assert loaded("animals/fox.safetensors")[1] == "ohwx fox"
    connection = sqlite3.connect(host.vault_file(), isolation_level=None)
    connection.execute("pragma locking_mode = exclusive")
    connection.execute("begin exclusive")
    connection.execute("delete from adapters")
    assert "animals/fox" in str(LoadAdapter.validate_inputs("fox.safetensors"))
    connection.rollback()
    connection.close()


def test_what_stands_beside_the_file_travels_with_the_adapter(loras: Path) -> None:
    path = loras / "animals" / "fox.safetensors"
    before = LoadAdapter.fingerprint_inputs("animals/fox.safetensors")
    site = {"trainedWords": ["OHWX fox", "ohwx snow fox"], "baseModel": "SD 1.5"}
    path.with_suffix(".civitai.info").write_text(json.dumps(site))
    path.with_suffix(".json").write_text(json.dumps({"preferred weight": 0.7, "notes": "no hats"}))
    assert LoadAdapter.fingerprint_inputs("animals/fox.safetensors") != before
    adapter, trigger, text = loaded("animals/fox.safetensors")
    assert adapter.triggers == ("ohwx fox", "ohwx snow fox")
    assert (trigger, adapter.family) == ("ohwx fox", "sd1")
    assert "trigger phrase: ohwx fox; or: ohwx snow fox (told by the header and Civitai's file)" in text
    for line in ("recommended weight: 0.7", "base model: SD 1.5", "notes: no hats"):
        assert line in text.splitlines()
    saved = SaveAdapter.execute(adapter, "copy", "float32").args[0]
    assert load_adapter(saved).triggers == adapter.triggers
    stack = StackAdapters.execute(adapter, 1.0, 1.0, True).args[0]
    assert stack.triggers()[0] == "ohwx fox"


def test_a_trigger_that_only_captions_give_away_is_said_to_be_one(loras: Path) -> None:
    lora_file(loras / "owl.safetensors", ss_tag_frequency='{"10_zwx owl": {"zwx owl": 15, "snow": 3}}')
    adapter, trigger, text = loaded("owl.safetensors")
    assert trigger == adapter.trigger == "zwx owl"
    assert "(told by nearly all captions of its training)" in text


def test_of_a_damaged_file_beside_it_the_node_says_so(loras: Path) -> None:
    (loras / "animals" / "fox.civitai.info").write_text("{")
    assert "fox.civitai.info was left out: it isn't a JSON object." in loaded("animals/fox.safetensors")[2]


def test_a_search_loads_the_one_that_fits(loras: Path) -> None:
    adapter, _, _ = loaded("animals/fox.safetensors", search="family:sdxl rank:16")
    assert adapter.name == "ink_woodcut-v2"
    assert LoadAdapter.validate_inputs("gone", "woodcut") is True
    assert LoadAdapter.fingerprint_inputs("gone", "woodcut")[0] == "ink_woodcut-v2.safetensors"


@pytest.mark.parametrize(
    ("search", "told"),
    [("fox", "2 adapters fit the search 'fox': animals/fox.safetensors"), ("heron", "No adapters fit"),
     ("famly:sd1", "Unknown filter")],
)  # fmt: skip
def test_a_search_that_fits_none_or_several_is_refused(loras: Path, search: str, told: str) -> None:
    with pytest.raises(Exception, match=told):
        loaded("animals/fox.safetensors", search=search)


def test_an_unknown_filter_is_refused_before_the_run(loras: Path) -> None:
    assert "Unknown filter" in str(LoadAdapter.validate_inputs("animals/fox.safetensors", "famly:sd1"))


def test_inspection_tells_norms_and_ranks_and_draws_them(host: HeadlessHost, tiny_sd1: Path) -> None:
    import torch
    from lora_workbench.engine.adapters.kinds import LowRank

    generator = torch.Generator().manual_seed(0)
    base = load_base(tiny_sd1, device="cpu")
    keys = [key for key in base.module_shapes() if key.endswith("to_q")]
    modules = {}
    for key in keys:
        out, inner = base.module_shapes()[key]
        down, up = torch.randn(4, inner, generator=generator), torch.randn(out, 4, generator=generator)
        down[2:] = 0
        modules[key] = LowRank(down, up, 4.0)
    adapter = Adapter(name="fox", family="sd1", modules=modules)
    passed, report, plot = InspectAdapter.execute(adapter, base).args
    assert passed is adapter
    facts = InspectAdapter.execute(adapter, base).ui["lw_report"][0]
    assert facts["all"]["layers"] == len(keys)
    assert 1 < facts["all"]["effective_rank"] <= facts["all"]["enough"] == 2
    whole = sum(float(update.delta().square().sum()) for update in modules.values()) ** 0.5
    weights = {key: weight for key, weight in base.layer_weights("denoiser") if key in modules}
    share = whole / sum(float(weight.float().square().sum()) for weight in weights.values()) ** 0.5
    assert facts["all"]["norm"] == pytest.approx(whole, rel=1e-4)
    assert facts["all"]["relative"] == pytest.approx(share, rel=1e-4)
    assert f"{share:.2%} of the weights" in report
    assert all(f"| {block} |" in report for block in facts["blocks"])
    assert plot.shape[2:] == (880, 3)
    assert plot.std() > 0.05


def test_inspection_of_a_lora_model_and_of_what_needs_a_base(host: HeadlessHost) -> None:
    import torch

    name = "diffusion_model.mid_block.attentions.0.proj_in"
    lora = {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(6, 2)}
    assert "effective rank 1.0 of 2" in InspectAdapter.execute(lora).args[1]
    oft = {"lora_unet_mid_block_attentions_0_proj_in.oft_blocks": torch.randn(2, 4, 4)}
    assert "Not measured without a base model: 1 module" in InspectAdapter.execute(oft).args[1]


def test_an_adapter_of_another_family_is_refused(tiny_sd1: Path, loras: Path) -> None:
    with pytest.raises(AdapterError, match="doesn't fit"):
        InspectAdapter.execute(loaded("ink_woodcut-v2.safetensors")[0], load_base(tiny_sd1, device="cpu"))
