"""Notes beside adapters, hashes as sites compute them, and exports."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from lora_workbench.engine.adapters.headers import read_header
from lora_workbench.engine.core.errors import AdapterError, ConfigError, StorageError
from lora_workbench.engine.vault.exporting import Exported, export
from lora_workbench.engine.vault.hashes import hashes_of
from lora_workbench.engine.vault.notes import write_notes
from lora_workbench.engine.vault.sidecars import Folders
from vault_files import SDXL, card_of, lora_file


@pytest.fixture
def fox(tmp_path: Path) -> Path:
    path = lora_file(
        tmp_path / "loras" / "fox.safetensors", stem=SDXL, fill=7, modelspec__trigger_phrase="ohwx fox",
        ss_tag_frequency='{"a secret": {}}', ss_steps="900", ss_network_dim="4", workflow="{}",
        ss_training_comment="mine",
    )  # fmt: skip
    path.with_suffix(".preview.png").write_bytes(b"picture")
    return path


def exported(path: Path, folder: Path, **options: bool) -> Exported:
    return export(path, card_of(path), Folders().beside(path), folder, **options)


def test_notes_are_kept_beside_and_added_to(fox: Path) -> None:
    file = write_notes(fox, notes="at dusk", weight=0.7, triggers=["ohwx snow fox"])
    assert file == fox.with_name("fox.lw.json")
    fields = json.loads(file.read_text())
    file.write_text(json.dumps({**fields, "from a later version": 1}))
    write_notes(fox, triggers=["Ohwx Snow Fox", "zwx"], prompts=["ohwx fox in snow"])
    card = card_of(fox)
    assert (card.notes, card.weight, card.prompts) == ("at dusk", 0.7, ("ohwx fox in snow",))
    assert card.triggers == ("ohwx fox", "ohwx snow fox", "zwx")
    assert json.loads(file.read_text())["from a later version"] == 1
    write_notes(fox, notes="")
    assert card_of(fox).notes == ""


def test_notes_that_cant_be_read_are_not_replaced(fox: Path) -> None:
    file = fox.with_name("fox.lw.json")
    file.write_text("{ my notes")
    with pytest.raises(AdapterError, match="nothing is added"):
        write_notes(fox, weight=1)
    assert file.read_text() == "{ my notes"


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 11])
def test_weights_out_of_range_are_refused(fox: Path, weight: float) -> None:
    with pytest.raises(ConfigError):
        write_notes(fox, weight=weight)
    assert not fox.with_name("fox.lw.json").exists()


def test_hashes_are_those_of_a1111_and_civitai(fox: Path) -> None:
    content = os.urandom(3_000_000)
    fox.write_bytes(fox.read_bytes()[: -16 * 4] + content)
    whole = fox.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    sha = [hashlib.sha256(part).hexdigest().upper() for part in (whole[0x100000:0x110000], whole, whole[begin:])]
    assert hashes_of(fox) == {"AutoV1": sha[0][:8], "AutoV2": sha[1][:10], "AutoV3": sha[2][:12], "SHA256": sha[1]}


def test_an_export_has_file_preview_and_cards(fox: Path, tmp_path: Path) -> None:
    write_notes(fox, notes="for my eyes", weight=0.8, prompts=["ohwx fox in snow"])
    result = exported(fox, tmp_path / "out")
    names = ["fox.safetensors", "fox.preview.png", "fox.civitai.info", "fox.md"]
    assert [file.name for file in result.files] == names
    assert result.missing == ()
    assert (tmp_path / "out" / "fox.safetensors").read_bytes() == fox.read_bytes()
    told = json.loads((tmp_path / "out" / "fox.civitai.info").read_text())
    assert (told["baseModel"], told["trainedWords"]) == ("SDXL 1.0", ["ohwx fox"])
    assert told["files"][0]["hashes"] == hashes_of(fox)
    assert told["images"] == [{"url": "fox.preview.png", "type": "image"}, {"meta": {"prompt": "ohwx fox in snow"}}]
    text = (tmp_path / "out" / "fox.md").read_text()
    for line in ("- `ohwx fox`", "- `ohwx fox in snow`", "- Recommended weight: 0.8", "- Base model: SDXL 1.0"):
        assert line in text.splitlines()
    assert "for my eyes" not in text + json.dumps(told), "notes of one's own are no text for others"
    assert "mine" not in text + json.dumps(told)
    again = card_of(tmp_path / "out" / "fox.safetensors")
    assert (again.triggers, again.prompts, again.preview) == (("ohwx fox",), ("ohwx fox in snow",), "fox.preview.png")
    assert exported(fox, tmp_path / "out").files == result.files


def test_a_private_export_has_the_same_tensors_and_no_captions(fox: Path, tmp_path: Path) -> None:
    exported(fox, tmp_path / "out", without_data=True)
    copy = tmp_path / "out" / "fox.safetensors"
    before, after = read_header(fox), read_header(copy)
    assert (after.shapes, after.spans, after.dtypes) == (before.shapes, before.spans, before.dtypes)
    assert copy.read_bytes()[after.body :] == fox.read_bytes()[before.body :]
    assert hashes_of(copy)["AutoV3"] == hashes_of(fox)["AutoV3"]
    assert after.metadata == {"modelspec.trigger_phrase": "ohwx fox", "ss_steps": "900", "ss_network_dim": "4"}
    from safetensors import safe_open

    with safe_open(copy, framework="pt") as opened:
        assert {*opened.keys()} == {*before.names}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = lora_file(tmp_path / "owl.safetensors")
    assert [text.split(";")[0] for text in exported(path, tmp_path / "out").missing] == [
        "No trigger words are known", "No sample prompts are known", "There is no preview",
    ]  # fmt: skip


def test_nothing_is_overwritten(fox: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="lies in the folder"):
        exported(fox, fox.parent)
    other = lora_file(tmp_path / "out" / "fox.safetensors", fill=1).read_bytes()
    with pytest.raises(StorageError, match="is another adapter"):
        exported(fox, tmp_path / "out")
    assert (tmp_path / "out" / "fox.safetensors").read_bytes() == other


def test_what_is_no_adapter_isnt_exported(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not an adapter")
    with pytest.raises(AdapterError, match="can't be exported"):
        exported(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
