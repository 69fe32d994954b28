"""The caption nodes at work."""

from __future__ import annotations

import io as text_io
from dataclasses import replace
from pathlib import Path

import pytest
from lora_workbench.engine.data.dataset import TriggerWord as Word
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.nodes.captions import EditCaptions
from lora_workbench.nodes.host.headless.context import host as process_host
from lora_workbench.nodes.host.progress import TerminalProgress
from lora_workbench.nodes.trigger_word import TriggerWord
from PIL import Image

COLOURS = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]


@pytest.fixture
def said(tmp_path: Path) -> text_io.StringIO:
    """What the host shows; results go below ``out``."""
    stream = text_io.StringIO()
    process_host.configure(output=tmp_path / "out", workflow_folder=tmp_path, progress=TerminalProgress(stream))
    return stream


def colours(*captions: str | None):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in COLOURS[: len(captions)]]
    return dataset_from_images(pictures, captions, "colours")


def test_a_trigger_word_is_weighed_and_handed_on(said: text_io.StringIO) -> None:
    output = TriggerWord.execute("dog", "animal", dataset=colours("a dog", "a cat"))
    word, report, free = output.args
    assert word == "dog"
    assert report.startswith("dog: a common English word (1 in 8,000); 1 of 2 captions hold it already")
    plain = output.ui["lw_report"][0]
    assert plain["free_words"] == free.split("\n")
    assert (plain["zipf"], plain["reaction"]) == ({"dog": 5.1}, None)
    assert TriggerWord.execute("", "animal").args[0] == TriggerWord.execute("", "animal").args[2].split("\n")[0]


NO_EDITS = {
    "find": "", "replace_with": "", "regex": False, "remove": "", "add": "", "prefix": "", "suffix": "",
    "shuffle": False, "keep": 1, "seed": 0,
}  # fmt: skip


def test_captions_are_edited_and_the_changes_shown(said: text_io.StringIO) -> None:
    dataset = replace(colours("a zwx, old", "a zwx, new", None), trigger=Word(word="zwx"))
    edits = {**NO_EDITS, "find": "zwx, old", "remove": "new\nother", "overrides": "image_0003: zwx, blue"}
    edited, table, changes = EditCaptions.execute(dataset, **edits).args
    assert [record.caption for record in edited] == ["a", "a zwx", "zwx, blue"]
    assert "zwx, blue" in table
    assert changes.split("\n")[:5] == [
        "3 of 3 captions changed", "1 now lack the trigger word 'zwx': image_0001.png", "", "image_0001.png",
        "- a zwx, old",
    ]  # fmt: skip
