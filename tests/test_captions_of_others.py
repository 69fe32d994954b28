"""Captions as other programs and people write them, through the nodes: nothing is lost, torn or changed unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from workspace import Graph, Workspace, chosen, in_api_format

Capture = pytest.CaptureFixture[str]
EDITS: dict[str, Any] = {
    "find": "", "replace_with": "", "regex": False, "remove": "", "add": "", "prefix": "", "suffix": "",
    "shuffle": False, "keep": 1, "seed": 0,
}  # fmt: skip
PROSE = "A red fox, sitting in deep snow, looks left.\n\nBehind it stands a forest. The light is soft."
JSON = '{"subject": "ohwx fox", "place": ["snow", "forest"], "text": "a, b"}'
LONG = "an emoji of a red animal on the ground with a long bushy tail, in front of a green forest with many trees, " * 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "set"


def save(folder: Path, captions: dict[str, str]) -> None:
    folder.mkdir()
    for number, (name, caption) in enumerate(captions.items()):
        Image.effect_noise((32, 32), 20 + number).convert("RGB").save(folder / name)
        (folder / name).with_suffix(".txt").write_bytes(caption.encode())


def loaded(folder: Path, **nodes: tuple[str, dict[str, Any]]) -> Graph:
    return in_api_format({"data": ("LW_LoadDataset", {"path": str(folder), "on_unreadable": "skip"}), **nodes})


def edited(workspace: Workspace, folder: Path, capfd: Capture, **edits: Any) -> tuple[Any, list[str]]:
    """The report of the edit, and the captions of the saved data set."""
    graph = loaded(
        folder,
        edit=("LW_EditCaptions", {"dataset": ["data", 0], **EDITS, **edits}),
        save=("LW_SaveDataset", {"dataset": ["edit", 0], "layout": "diffusers", "name": folder.parent.name}),
    )
    report = reports(workspace, graph, capfd)
    lines = (workspace.output / report["save"]["path"] / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return report["edit"], [json.loads(line)["text"] for line in lines]


def reports(workspace: Workspace, graph: Graph, capfd: Capture) -> dict[str, Any]:
    assert workspace.run(graph) == 0
    return json.loads(capfd.readouterr().out.splitlines()[-1])["reports"]


def test_tags_are_added_behind_prose_and_json(workspace: Workspace, folder: Path, capfd: Capture):
    save(folder, {"0.png": PROSE, "1.png": JSON})
    _, captions = edited(workspace, folder, capfd, add="soft focus")
    assert captions == [f"{PROSE} soft focus", f"{JSON}, soft focus"]


def test_prose_and_json_are_not_shuffled(workspace: Workspace, folder: Path, capfd: Capture):
    save(folder, {"0.png": PROSE, "1.png": JSON})
    report, captions = edited(workspace, folder, capfd, shuffle=True, remove="snow")
    assert captions == [PROSE, JSON]
    assert report["changed"] == 0
    assert "remove: 'snow' is part of a longer tag or of prose, and stays there: 0.png, 1.png" in report["notes"][0]
    assert "shuffle: 2 captions are prose or data" in report["notes"][1]


def test_marks_are_named(workspace: Workspace, folder: Path, capfd: Capture):
    save(
        folder,
        {"0.png": "ohwx, fox, ||| red fur, snow", "1.png": "{a|an old} fox, ohwx", "2.png": "a [name], [filewords]"},
    )
    report, captions = edited(workspace, folder, capfd, shuffle=True)
    assert captions[0].startswith("ohwx, fox, ||| ")
    inspect = {"dataset": ["data", 0], "goal": "subject", "columns": 3, "resolution": 32}
    found = reports(workspace, loaded(folder, inspect=("LW_InspectDataset", inspect)), capfd)
    told = json.dumps(found, ensure_ascii=False)
    for mark in ("|||", "{a|b}", "[name]", "[filewords]"):
        assert mark in told
        assert mark in "\n".join(report["notes"])


@pytest.mark.parametrize("mode", ["fill_missing", "prepend"])
def test_chinese_captions_keep_their_trigger_word(workspace: Workspace, folder: Path, capfd: Capture, mode: str):
    captions = ["一只 ohwx狐狸的照片，背景是雪", "森林里的ohwx，正面"]
    save(folder, dict(zip(["狐0.png", "狐1.png"], captions, strict=True)))
    trigger = {
        "dataset": ["data", 0], "trigger_word": "ohwx", "class_word": "", "template": "{trigger}的照片", "mode": mode,
    }  # fmt: skip
    graph = loaded(
        folder,
        captions=("LW_TriggerCaptions", trigger),
        edit=("LW_EditCaptions", {"dataset": ["captions", 0], **EDITS, "remove": "正面，夜"}),
        save=("LW_SaveDataset", {"dataset": ["edit", 0], "layout": "diffusers", "name": mode}),
    )
    report = reports(workspace, graph, capfd)
    lines = (workspace.output / report["save"]["path"] / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [captions[0], "森林里的ohwx"]
    assert report["edit"]["notes"] == ["remove: '夜' is in no caption"]


def test_overrides_reach_names_with_colons(workspace: Workspace, folder: Path, capfd: Capture):
    save(folder, {"Fate.PNG": "old", "Fate: Zero.png": "old"})
    _, captions = edited(workspace, folder, capfd, overrides="Fate: Zero.png: ohwx fox, running")
    assert captions == ["old", "ohwx fox, running"]


def test_long_captions_are_told_wherever_the_base_is_known(workspace: Workspace, folder: Path, capfd: Capture):
    save(folder, {f"{n}.png": f"{LONG}{time}, zwx" for n, time in enumerate(("day", "night", "dusk"))})
    base = {"base": str(workspace.base), "device": "cpu", "precision": "fp32"}
    trigger = {
        "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "animal", "mode": "prepend", "base": ["base", 0],
        "template": "a photo of {trigger} {class}",
    }  # fmt: skip
    inputs = {"base": ["base", 0], "dataset": ["captions", 0]}
    graph = loaded(
        folder,
        base=("LW_LoadBase", base),
        captions=("LW_TriggerCaptions", trigger),
        word=("LW_TriggerWord", {**inputs, "trigger_word": "zwx", "class_word": ""}),
        inspect=("LW_InspectDataset", {**inputs, "goal": "subject", "columns": 3}),
        recipe=("LW_Recipe", {**inputs, **chosen(steps=1)}),
        train=("LW_TrainLoRA", {**inputs, "recipe": ["recipe", 0], "seed": 0, "name": "long"}),
        save=("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "long", "dtype": "float32"}),
    )
    report = reports(workspace, graph, capfd)
    for node in ("captions", "word", "inspect", "train"):
        told = json.dumps(report[node], ensure_ascii=False)
        assert "3 of 3 captions are longer than the 30 tokens" in told, node
        assert "trigger word 'zwx' comes after the first chunk" in told, node
