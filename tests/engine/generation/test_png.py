"""PNG files with metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import StorageError
from lora_workbench.engine.generation.png import read_parameters, save_png
from PIL import Image

GRAPH = {"1": {"class_type": "LW_Generate", "inputs": {"prompt": "ein Füchslein"}}}


def picture() -> Image.Image:
    return Image.frombytes("RGB", (8, 6), os.urandom(8 * 6 * 3))


def test_pixels_graph_and_parameters_come_back(tmp_path: Path) -> None:
    image, path = picture(), tmp_path / "new folder" / "fox.png"
    parameters = {"prompt": "ein Füchslein", "seed": 2**63, "stack": [{"adapter": "fox", "weight": 0.8}]}
    save_png(image, path, prompt=json.dumps(GRAPH), workflow='{"nodes": []}', parameters=parameters)
    with Image.open(path) as read:
        assert read.format == "PNG"
        assert read.tobytes() == image.tobytes()
        assert json.loads(read.info["prompt"]) == GRAPH
        assert json.loads(read.info["workflow"]) == {"nodes": []}
    assert read_parameters(path) == parameters


def test_the_chunks_are_the_plain_kind_that_every_reader_knows(tmp_path: Path) -> None:
    save_png(picture(), tmp_path / "fox.png", prompt=json.dumps(GRAPH, ensure_ascii=False))
    content = (tmp_path / "fox.png").read_bytes()
    assert b"tEXtprompt\0{" in content
    assert b"iTXt" not in content


def test_a_picture_without_a_graph_has_no_chunks(tmp_path: Path) -> None:
    save_png(picture(), tmp_path / "fox.png")
    with Image.open(tmp_path / "fox.png") as read:
        assert read.info == {}
    assert read_parameters(tmp_path / "fox.png") == {}


def test_a_failed_save_leaves_the_old_picture(tmp_path: Path) -> None:
    path = tmp_path / "fox.png"
    save_png(picture(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Expecting"):
        save_png(picture(), path, prompt="no JSON")
    with pytest.raises(StorageError):
        save_png(picture(), path / "fox.png")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["fox.png"]
