"""``lora-workbench adapters`` on the vault: list, search, inspect, note, pin and export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from vault_files import SDXL, lora_file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    loras = tmp_path / "out" / "loras"
    lora_file(loras / "animals" / "fox.safetensors", modelspec__trigger_phrase="ohwx fox", fill=1)
    lora_file(loras / "people" / "fox.safetensors", fill=2)
    lora_file(loras / "woodcut.safetensors", stem=SDXL, rank=16, fill=3)
    return tmp_path / "out"


def said(capsys: pytest.CaptureFixture[str], *command: object) -> Any:
    assert cli.main(["adapters", *map(str, command), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_list_tells_equal_names_apart(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = said(capsys, "list", "--output", output)
    assert [card["name"] for card in cards] == [
        "animals/fox.safetensors", "people/fox.safetensors", "woodcut.safetensors",
    ]  # fmt: skip
    assert cards[0]["triggers"] == ["ohwx fox"]
    assert {"family": "sdxl", "rank": 16, "kinds": ["lora"], "bytes": cards[2]["bytes"]}.items() <= cards[2].items()
    assert cli.main(["adapters", "list", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "animals/fox.safetensors  [sd1 lora 4]  ohwx fox" in printed


def test_other_folders_are_listed_too(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lora_file(tmp_path / "comfyui" / "owl.safetensors")
    lora_file(tmp_path / "comfyui" / "woodcut.safetensors", rank=2)
    cards = said(capsys, "list", "--output", output, "--folder", tmp_path / "comfyui")
    assert [(card["name"], card["rank"]) for card in cards if "/" not in card["name"]] == [
        ("owl.safetensors", 4), ("woodcut.safetensors", 16),
    ]  # fmt: skip
    assert len(said(capsys, "list", "--output", output)) == 3
    assert cli.main(["adapters", "list", "--output", str(output), "--folder", str(tmp_path / "nowhere")]) == 1


def test_searches_by_words_and_filters(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [card["name"] for card in said(capsys, "search", "fox", "trigger:ohwx", "--output", output)] == [
        "animals/fox.safetensors"
    ]
    assert said(capsys, "search", "heron", "--output", output) == []
    assert cli.main(["adapters", "search", "famly:sd1", "--output", str(output)]) == 1
    assert "did you mean family" in capsys.readouterr().err


def test_a_damaged_index_is_said_and_made_anew(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = output / "run-store" / "vault" / "index.sqlite"
    said(capsys, "list", "--output", output)
    place.write_bytes(b"\0" * 3000)
    assert cli.main(["adapters", "list", "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert "damaged" in printed.err
    assert "woodcut" in printed.out


def test_inspection_has_the_spectrum(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = output / "loras" / "animals" / "fox.safetensors"
    path.with_suffix(".json").write_text('{"activation text": "zwx", "preferred weight": 0.6}')
    facts = said(capsys, "inspect", path)
    assert (facts["rank"], facts["triggers"], facts["weight"]) == (4, ["ohwx fox", "zwx"], 0.6)
    assert facts["spectrum"]["all"]["layers"] == 1
    assert facts["metadata"] == {"modelspec.trigger_phrase": "ohwx fox"}
    assert cli.main(["adapters", "inspect", str(path)]) == 0
    assert "| down.0 | 1 |" in capsys.readouterr().out


def test_pins_come_and_go(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "pin", "woodcut", "--output", output) == {"name": "woodcut.safetensors", "pinned": True}
    assert [card["pinned"] for card in said(capsys, "list", "--output", output)] == [False, False, True]
    assert cli.main(["adapters", "list", "--output", str(output)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("  pinned")
    assert cli.main(["adapters", "note", str(output / "loras" / "woodcut.safetensors"), "for posters"]) == 0
    assert [card["pinned"] for card in said(capsys, "search", "woodcut", "--output", output)] == [True]
    said(capsys, "unpin", "woodcut.safetensors", "--output", output)
    assert [card["pinned"] for card in said(capsys, "search", "woodcut", "--output", output)] == [False]
    assert cli.main(["adapters", "pin", "fox", "--output", str(output)]) == 1
    assert "animals/fox.safetensors or people/fox.safetensors" in capsys.readouterr().err


def test_notes_are_found_again(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = output / "loras" / "woodcut.safetensors"
    assert cli.main(["adapters", "note", str(path), "for posters", "--weight", "0.6", "--trigger", "zwx"]) == 0
    (card,) = said(capsys, "search", "posters", "--output", output)
    assert (card["weight"], card["triggers"], card["told_by"]) == (0.6, ["zwx"], "your notes")
    with pytest.raises(SystemExit):
        cli.main(["adapters", "note", str(path)])
    assert cli.main(["adapters", "note", str(path), "--weight", "nan"]) == 1


def test_exports(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = output / "loras" / "animals" / "fox.safetensors"
    told = said(capsys, "export", path, "--output", tmp_path / "site", "--private")
    assert [Path(file).name for file in told["files"]] == ["fox.safetensors", "fox.civitai.info", "fox.md"]
    assert told["hashes"].keys() == {"AutoV1", "AutoV2", "AutoV3", "SHA256"}
    assert any("preview" in sentence for sentence in told["missing"])
