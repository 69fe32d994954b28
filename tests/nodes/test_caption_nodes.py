"""The caption nodes at work."""

from __future__ import annotations

import io as text_io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.data.dataset import TriggerWord as Word
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.headless.executor import Executor
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.captions.caption_dataset import CaptionDataset
from lora_workbench.nodes.captions.captions_from_text import CaptionsFromText
from lora_workbench.nodes.captions.edit_captions import EditCaptions
from lora_workbench.nodes.captions.trigger_word import TriggerWord
from lora_workbench.nodes.host import host as current_host
from lora_workbench.nodes.host.headless import HeadlessHost
from PIL import Image
from tiny_captioners import save_tiny_blip, save_tiny_wd14

COLORS = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]


@pytest.fixture(autouse=True)
def said(host: HeadlessHost, progress: text_io.StringIO) -> text_io.StringIO:
    """What the host shows; results go below ``out``."""
    return progress


def colors(*captions: str | None):
    pictures = [Image.new("RGB", (8, 8), color) for color in COLORS[: len(captions)]]
    return dataset_from_images(pictures, captions, "colors")


def test_a_trigger_word_is_weighed_and_handed_on(said: text_io.StringIO) -> None:
    output = TriggerWord.execute("dog", "animal", dataset=colors("a dog", "a cat"))
    word, report, free = output.args
    assert word == "dog"
    assert report.startswith("dog: a common English word (1 in 8,000); 1 of 2 captions already contain it")
    plain = output.ui["lw_report"][0]
    assert plain["free_words"] == free.split("\n")
    assert (plain["zipf"], plain["reaction"]) == ({"dog": 5.1}, None)
    assert TriggerWord.execute("", "animal").args[0] == TriggerWord.execute("", "animal").args[2].split("\n")[0]


NO_EDITS = {
    "find": "", "replace_with": "", "regex": False, "remove": "", "add": "", "prefix": "", "suffix": "",
    "shuffle": False, "keep": 1, "seed": 0,
}  # fmt: skip


def test_captions_are_edited_and_the_changes_shown(said: text_io.StringIO) -> None:
    dataset = replace(colors("a zwx, old", "a zwx, new", None), trigger=Word(word="zwx"))
    edits = {**NO_EDITS, "find": "zwx, old", "remove": "new\nother", "overrides": "image_0003: zwx, blue"}
    edited, table, changes = EditCaptions.execute(dataset, **edits).args
    assert [record.caption for record in edited] == ["a", "a zwx", "zwx, blue"]
    assert "zwx, blue" in table
    assert changes.split("\n")[:6] == [
        "3 of 3 captions changed", "now without the trigger word 'zwx': image_0001.png",
        "remove: 'other' is in no caption", "", "image_0001.png",
        "- a zwx, old",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ({"find": "cats?", "regex": True}, "the pattern 'cats?' changes no caption"),
        ({"replace_with": "cat", "regex": True}, "replace_with and regex: not used, as find is empty"),
        ({"keep": 3, "seed": 7}, "keep and seed: not used, as shuffle is off"),
        ({"separator": "|", "find": "zwx"}, "separator: not used, as there is nothing to remove, add or shuffle"),
    ],
)
def test_edits_that_do_nothing_are_told(said: text_io.StringIO, edits: dict[str, Any], told: str) -> None:
    output = EditCaptions.execute(colors("a zwx, old", "a zwx, new"), **{**NO_EDITS, **edits})
    assert told in output.args[2] and told in output.ui["lw_report"][0]["notes"][0]
    assert not EditCaptions.execute(colors("a zwx"), **NO_EDITS).ui["lw_report"][0]["notes"]


OPTIONS = {
    "overwrite": False, "prompt": "", "max_tokens": 8, "threshold": 0.02, "character_threshold": 0.02, "device": "cpu",
    "precision": "fp32",
}  # fmt: skip


def test_pictures_are_described_once(said: text_io.StringIO, tmp_path: Path) -> None:
    save_tiny_wd14(tmp_path / "tagger")
    assert CaptionDataset.validate_inputs("tagger") is True
    assert "No captioner at 'nowhere'" in str(CaptionDataset.validate_inputs("nowhere"))
    dataset = colors("mine", None, None)
    described, table, told = CaptionDataset.execute(dataset, "tagger", **OPTIONS).args
    unused = "Not used, as the model is a wd14: max_tokens 8."
    assert told == f"2 captions by wd14, 1 kept\n{unused}"
    assert described.records[0].caption == "mine"
    assert all(record.caption and record.caption in table for record in described)
    again = CaptionDataset.execute(dataset, "tagger", **OPTIONS)
    assert again.ui["lw_report"][0] == {
        "captioner": "wd14", "kept": 1, "written": 2, "cached": 2, "blank": [], "notes": [unused],
    }  # fmt: skip
    assert again.args[0].content_hash == described.content_hash


def test_sentences_come_from_a_model_of_transformers(said: text_io.StringIO, tmp_path: Path) -> None:
    save_tiny_blip(tmp_path / "blip")
    options = {**OPTIONS, "prompt": "a photo of"}
    described, _, told = CaptionDataset.execute(colors(None, None, None), "blip", **options).args
    assert "Not used, as the model is a blip: threshold 0.02, character_threshold 0.02." in told
    assert all((record.caption or "").startswith("a photo of") for record in described)
    assert "describing pictures 3/3" in said.getvalue()


@pytest.mark.parametrize("captions", [["a red", "", "a blue\none"], ["a red\n\na blue one\n"]])
def test_captions_come_from_a_list_or_from_lines(said: text_io.StringIO, captions: list[str]) -> None:
    output = CaptionsFromText.execute([colors("x", "y", "z")], captions, [False])
    assert [record.caption for record in output.args[0]] == ["a red", None, "a blue one"]
    output = CaptionsFromText.execute([colors("x", None, "z")], ["a", "b", "c"], [True])
    assert [record.caption for record in output.args[0]] == ["x", "b", "z"]
    output = CaptionsFromText.execute([colors("x")], ["a fox\nin snow"], [False])
    assert [record.caption for record in output.args[0]] == ["a fox in snow"]


@pytest.mark.parametrize("captions", [["a"], [""], ["a", "b"], ["a\nb\nc\nd"]])
def test_captions_that_are_too_few_or_too_many_are_refused(said: text_io.StringIO, captions: list[str]) -> None:
    with pytest.raises(CaptionError, match="3 pictures of colors"):
        CaptionsFromText.execute([colors(None, None, None)], captions, [False])


def test_lists_reach_a_node_through_the_executor(said: text_io.StringIO, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number, color in enumerate(COLORS):
        Image.new("RGB", (8, 8), color).save(tmp_path / "pictures" / f"{number}.png")
    nodes = {
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "skip"}),
        "text": (
            "LW_CaptionsFromText",
            {"dataset": ["data", 0], "captions": "one\ntwo\nthree", "keep_existing": False},
        ),
        "edit": ("LW_EditCaptions", {"dataset": ["text", 0], **NO_EDITS, "prefix": "a "}),
        "show": ("LW_PreviewDataset", {"dataset": ["edit", 0], "columns": 2}),
    }  # fmt: skip
    path = tmp_path / "workflow.json"
    path.write_text(
        json.dumps({name: {"class_type": kind, "inputs": values} for name, (kind, values) in nodes.items()})
    )
    executor = Executor(registry(), current_host())
    executor.run(read_workflow(path, registry()))
    shown = "".join(said.getvalue().split("\n"))
    assert executor.outcome.reports["show"]["without_caption"] == 0
    assert "3 pictures, 3 without a caption" in shown
