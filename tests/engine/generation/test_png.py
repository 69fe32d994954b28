"""PNG files with metadata."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import StorageError
from lora_workbench.engine.generation.png import canvas_chunk, encode_png, read_parameters, save_png
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


@given(st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_only_the_place_of_the_canvas_is_incidental(canvas: str | None, other: str | None, prompt: str | None) -> None:
    def essence(workflow: str | None, prompt: str | None) -> bytes:
        texts = {"workflow": workflow, "prompt": prompt}
        data = encode_png(image, **{name: json.dumps({"a": text}) for name, text in texts.items() if text is not None})
        start, end = canvas_chunk(io.BytesIO(data))
        assert (end > start) == (workflow is not None)
        return data[:start] + data[end:]

    image = Image.new("RGB", (2, 2))
    assert essence(canvas, prompt) == essence(other, prompt)
    assert (essence(canvas, prompt) == essence(canvas, "another")) == (prompt == "another")
    with Image.open(io.BytesIO(essence(canvas, prompt))) as read:
        assert set(read.info) == ({"prompt"} if prompt is not None else set())


@pytest.mark.parametrize("data", [b"", b"no PNG", b"\x89PNG\r\n\x1a\n\0\0", b"\xff" * 99])
def test_other_files_have_nothing_incidental(data: bytes) -> None:
    assert canvas_chunk(io.BytesIO(data)) == (0, 0)


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
