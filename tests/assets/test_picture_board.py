"""Planted faults in the demo data sets are named by the board, and no right picture is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.evaluation.board import Board
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.picture_board import BoardSettings, picture_board
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.suggestions import suggest
from subject_figures import CLASS, WORD, finished

pytestmark = pytest.mark.proofs

FOX = TriggerWord(word=WORD, class_word=CLASS, template="an emoji of a {trigger} {class}")


def board_of(root: Path, store: Path, dataset: Dataset) -> Board:
    base = load_base(root / "assets" / "demo_base", device="cpu", precision="fp32")
    recipe = suggest("subject", len(dataset), base.info)
    settings = BoardSettings(steps=60)
    return finished(picture_board(base, dataset, recipe, store=RunStore(store), settings=settings))


def by_name(dataset: Dataset) -> dict[str, ImageRecord]:
    return {record.name: record for record in dataset}


def test_wrong_captions_and_wrong_pictures_of_a_subject(root: Path, tmp_path: Path) -> None:
    """Two pictures with each other's captions, and three prints with captions of the fox. Four of the five are named;
    the red fox with the caption of a black background isn't. It takes two minutes."""
    foxes, prints = (by_name(load_dataset(root / "assets" / "datasets" / name)) for name in ("fox", "riso"))
    swapped = {"night fox.webp": "fox red.jpg", "fox red.jpg": "night fox.webp"}
    records = [replace(own, caption=foxes[swapped.get(name, name)].caption) for name, own in foxes.items()]
    wrong = ["owl.jpg", "car.webp", "tulip.png"]
    records += [replace(prints[name], caption=own.caption) for name, own in zip(wrong, foxes.values(), strict=False)]
    made = board_of(root, tmp_path, apply_trigger(Dataset(name="fox", records=tuple(records)), FOX, "prepend"))
    faults = {own.name: own.judgement.fault for own in made.at("suspect")}
    assert faults.keys() <= {*swapped, *wrong}, str(made)
    assert faults.keys() >= {*wrong, "night fox.webp"}, str(made)
    assert faults["night fox.webp"] == "caption"
