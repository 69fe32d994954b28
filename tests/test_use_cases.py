"""The use cases, each from one command: with few steps here, and in full under ``-m proofs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.adapters.files import load_adapter
from PIL import Image

SHORT = {
    "brand-assets": {
        "recipe.settings": "steps = 2",
        "products and scenes.templates": "an emoji of a nvo {bottle|mug} on a yellow background",
        "formats.values": "64x64, 96x64", "draw all of it.steps": "2",
    },
    "character": {
        "recipe.settings": "steps = 2", "poses.values": "standing, waving", "expressions.values": "happy, sad, angry",
        "draw the sheet.steps": "2", "beside the base model.steps": "2",
    },
    "artist-style": {
        "fox: recipe.settings": "steps = 2", "riso: recipe.settings": "steps = 2",
        "weights of the subject.values": "1", "weights of the style.values": "0.5, 1", "draw every pair.steps": "2",
        "commission.steps": "2",
    },
    "product-photography": {
        "recipe.settings": "steps = 2", "before and after.prompts": "put the mug on the table",
        "before and after.steps": "2",
    },
}  # fmt: skip
"""Inputs with which a use case takes seconds."""
GIVEN = {
    "brand-assets": ({"brand": "nvo product"}, ["loss_00001", "sheet_00001"]),
    "character": ({"robot": "pbx robot"}, ["comparison_00001", "loss_00001", "sheet_00001"]),
    "artist-style": (
        {"fox": "zwx animal", "riso": "qvk style"},
        ["commission_00001", "report_00001", "weights_00001"],
    ),
    "product-photography": ({"products": None}, ["grid_00001", "loss_00001"]),
}
"""Adapters with their trigger phrases, and saved pictures."""
PICTURES = {"brand-assets": 4, "character": 6, "artist-style": 6}
"""Of the batch."""


def run(root: Path, output: Path, name: str, capsys: pytest.CaptureFixture[str], **inputs: str) -> dict[str, Any]:
    """What the command line tells of a use case, in JSON."""
    chosen = [part for address, value in inputs.items() for part in ("--set", f"{address}={value}")]
    workflow = root / "workflows" / f"{name}.json"
    status = cli.main(["run", str(workflow), "--output", str(output), "--json", *chosen])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0, told
    return told


@pytest.mark.parametrize("name", SHORT)
def test_one_command_gives_adapters_and_pictures(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(root, tmp_path, name, capsys, **SHORT[name])
    adapters, pictures = GIVEN[name]
    saved = {Path(path).stem: load_adapter(path).trigger for path in told["adapters"]}
    assert saved == adapters
    assert sorted(Path(path).stem for path in told["images"] if "batches" not in Path(path).parts) == pictures
    for path in told["images"]:
        with Image.open(path) as picture:
            picture.load()
    if name in PICTURES:
        [folder] = (tmp_path / "batches").iterdir()
        assert (folder / "index.html").is_file()
        assert len((folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()) == PICTURES[name]
