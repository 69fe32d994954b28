"""Every node that gives or shows a data set hands it to a gallery, with flags, crops and masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.headless import io
from lora_workbench.nodes import NODES
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.datasets import dataset as records_route
from lora_workbench.nodes.routes.table import Asked
from PIL import Image
from tiny_captioners import save_tiny_wd14

BY_ID = {node.GET_SCHEMA().node_id: node for node in NODES}
GIVING = {name for name, node in BY_ID.items() if any(one.io_type == "LW_DATASET" for one in node.GET_SCHEMA().outputs)}
SHOWING = {"LW_InspectDataset", "LW_PreviewDataset"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures, of which the first has a mask, and one pair."""
    random = np.random.default_rng(3)
    folder = tmp_path / "fox"
    (tmp_path / "pairs").mkdir()
    folder.mkdir()
    for number in range(7):
        pixels = Image.fromarray(random.integers(0, 255, (4, 6, 3), np.uint8)).resize((48, 32))
        pixels.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a zwx thing {number}", encoding="utf-8")
    Image.new("L", (48, 32)).save(folder / "0_mask.png")
    for name in ("a_before.png", "a_after.png"):
        Image.new("RGB", (32, 32), (len(name) * 9, 3, 3)).save(tmp_path / "pairs" / name)
    return folder


def inputs_of(name: str) -> dict[str, Any]:
    """The defaults of a node's inputs."""
    given = BY_ID[name].GET_SCHEMA().inputs
    return {one.id: one.default for one in given if getattr(one, "default", None) is not None}


def images(folder: Path, base: Path) -> dict[str, Any]:
    del folder, base
    return {"images": torch.rand(2, 16, 16, 3), "captions": "a\nb"}


def board(folder: Path, base: Path) -> dict[str, Any]:
    del folder
    recipe = Recipe.of(steps=2, rank=2, batch_size=8)
    return {"base": load_base(base, device="cpu", precision="fp32"), "recipe": recipe, "folds": 2, "columns": 4}


MORE: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "LW_LoadDataset": lambda folder, _: {"path": str(folder)},
    "LW_DatasetFromImages": images,
    "LW_PairDataset": lambda folder, _: {"path": str(folder.parent / "pairs"), "instruction": "edit"},
    "LW_CaptionDataset": lambda folder, _: {"captioner": "tagger", "device": "cpu", "precision": "fp32"},
    "LW_CaptionsFromText": lambda folder, _: {"captions": [f"text {number}" for number in range(7)]},
    "LW_RegularizationSet": lambda folder, _: {"count": 0, "path": str(folder.parent / "others")},
    "LW_BucketDataset": lambda folder, _: {"resolutions": "32", "step": 8, "max_aspect": 1.0},
    "LW_CurateDataset": lambda folder, _: {"drop": "1.png = 0.png"},
    "LW_PictureBoard": board,
}


def run(name: str, given: Dataset, folder: Path, base: Path) -> io.NodeOutput:
    inputs = inputs_of(name)
    if name == "LW_JoinDatasets":
        other = replace(given, name="more", records=(replace(given.records[0], content_hash="0" * 64),))
        inputs |= {"first": given, "second": other}
    elif any(one.id == "dataset" for one in BY_ID[name].GET_SCHEMA().inputs):
        inputs["dataset"] = given
    inputs |= MORE.get(name, lambda *_: {})(folder, base)
    if name == "LW_CaptionsFromText":
        inputs |= {"dataset": [given], "keep_existing": [False]}
    return BY_ID[name].execute(**inputs)


@pytest.mark.parametrize("name", sorted(GIVING | SHOWING))
def test_a_node_shows_its_data_set(name: str, folder: Path, tiny_sd1: Path, host: HeadlessHost) -> None:
    del host
    save_tiny_wd14(folder.parent / "tagger")
    (folder.parent / "others").mkdir()
    for number in range(2):
        Image.new("RGB", (30, 30), (90, number, 9)).save(folder.parent / "others" / f"{number}.png")
        (folder.parent / "others" / f"{number}.txt").write_text("a thing")
    given = replace(load_dataset(folder), trigger=TriggerWord(word="zwx"))
    shown = run(name, given, folder, tiny_sd1)
    (told,) = shown.ui["lw_dataset"]
    answer = json.loads(records_route(Asked({"token": told["token"]})).content)
    assert answer["known"] and answer["total"] == told["pictures"] > 0
    records = answer["records"]
    if name == "LW_BucketDataset":
        assert all(record["crops"] for record in records)
    if name == "LW_MaskDataset":
        assert [record["has_mask"] for record in records] == [True] + [False] * 6
    if name in ("LW_InspectDataset", "LW_CurateDataset"):
        assert any(record["flags"] for record in records)
    if name == "LW_CurateDataset":
        assert records[1]["dropped"].startswith("duplicate of 0.png, marked by hand")
    if name == "LW_PictureBoard":
        places = shown.ui["lw_report"][0]["places"]
        flagged = [record["name"] for record in records if record["flags"]]
        assert len(flagged) == sum(len(names) for place, names in places.items() if place != "learnt")


def test_all_kinds_of_nodes_are_among_them() -> None:
    assert {"LW_LoadDataset", "LW_EditCaptions", "LW_MaskDataset", "LW_BucketDataset", "LW_PictureBoard"} <= GIVING
