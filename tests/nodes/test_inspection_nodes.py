"""LW_InspectDataset and LW_CurateDataset on small data sets, alone and in a graph."""

from __future__ import annotations

import io as text_io
import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.headless.executor import Executor
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.dataset.curate_dataset import CurateDataset
from lora_workbench.nodes.dataset.inspect_dataset import InspectDataset
from lora_workbench.nodes.dataset.preview_dataset import PreviewDataset
from lora_workbench.nodes.host import host as current_host
from lora_workbench.nodes.host.headless import HeadlessHost
from PIL import Image, ImageFilter


@pytest.fixture(autouse=True)
def said(host: HeadlessHost, progress: text_io.StringIO) -> text_io.StringIO:
    """What the host shows; results go below ``out``."""
    return progress


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Path:
    """Three photographs, one of them again, and one blurred."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("chelsea", "coffee", "rocket"):
        with Image.open(root / "tests" / "photographs" / f"{name}.jpg") as image:
            image.save(folder / f"{name}.png")
            if name == "coffee":
                image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((360, 240)).save(folder / "mirrored.png")
            if name == "rocket":
                image.filter(ImageFilter.GaussianBlur(5)).crop((0, 0, 330, 320)).save(folder / "soft.png")
    return folder


def inspect_graph() -> dict[str, Any]:
    switches = ("blurred", "badly_exposed", "small", "compressed", "noisy", "borders", "duplicates", "odd", "long")
    nodes = {
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "skip"}),
        "inspect": ("LW_InspectDataset", {
            "dataset": ["data", 0], "goal": "subject", "resolution": 300, "strictness": 1.0, "columns": 3,
        }),
        "curate": ("LW_CurateDataset", {
            "dataset": ["data", 0], "goal": "subject", "resolution": 300, "strictness": 1.0,
            **{f"drop_{name}": name in ("blurred", "duplicates") for name in switches}, "keep": "", "drop": "",
        }),
        "kept": ("LW_PreviewDataset", {"dataset": ["curate", 0], "columns": 3}),
        "dropped": ("LW_PreviewDataset", {"dataset": ["curate", 1], "columns": 3}),
        "sheet": ("LW_SaveImages", {"filename_prefix": "sheet", "images": ["inspect", 2]}),
    }  # fmt: skip
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def run(graph: dict[str, Any], folder: Path) -> Any:
    path = folder.parent / "workflow.json"
    path.write_text(json.dumps(graph))
    return Executor(registry(), current_host()).run(read_workflow(path, registry()))


def test_a_graph_inspects_and_curates(folder: Path, said: text_io.StringIO) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    outcome = run(inspect_graph(), folder)
    flags = {p["name"]: [f["kind"] for f in p["flags"]] for p in outcome.reports["inspect"]["pictures"]}
    assert flags["mirrored.png"] == ["small", "duplicate"]
    assert "blurred" in flags["soft.png"]
    assert outcome.reports["curate"]["kept"] == ["chelsea.png", "coffee.png", "rocket.png"]
    assert {d["name"]: d["reason"] for d in outcome.reports["curate"]["dropped"]}["mirrored.png"] == (
        "duplicate of coffee.png"
    )
    assert outcome.reports["dropped"]["pictures"] == 2
    assert len(outcome.images) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_outputs_of_an_inspection(folder: Path, said: text_io.StringIO) -> None:
    output = InspectDataset.execute(load_dataset(folder), columns=3, goal="subject", resolution=300)
    text, values, sheet = output.args
    assert "Verdict: fix first" in text
    assert output.ui["text"] == (text,)
    assert json.loads(values) == json.loads(json.dumps(output.ui["lw_report"][0]))
    assert tuple(sheet.shape)[0::3] == (1, 3)
    assert "inspecting pictures 5/5" in said.getvalue()


def test_an_empty_part_is_a_data_set(folder: Path, said: text_io.StringIO) -> None:
    switches = dict.fromkeys((i.id for i in CurateDataset.GET_SCHEMA().inputs if i.id.startswith("drop_")), False)
    dataset = load_dataset(folder)
    kept, dropped, report = CurateDataset.execute(dataset, goal="subject", **switches).args
    assert (len(kept), len(dropped)) == (5, 0)
    assert report == "pictures: 5 of 5 pictures kept, 0 dropped"
    assert PreviewDataset.execute(dropped, 6).args[0].shape[0] == 1
    names = "\n".join(record.name for record in dataset)
    kept, dropped, _ = CurateDataset.execute(dataset, goal="style", drop=names, **switches).args
    assert (len(kept), len(dropped)) == (0, 5)
