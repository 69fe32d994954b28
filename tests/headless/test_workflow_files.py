"""Workflows in the files that people have: any encoding, wrapped by programs, inside pictures and adapter files."""

from __future__ import annotations

import codecs
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless import json_text
from lora_workbench.headless.reading import read_workflow
from PIL import ExifTags, Image, PngImagePlugin

PROMPT = {
    "1": {"class_type": "T_Number", "inputs": {"value": 4}},
    "2": {"class_type": "T_Save", "inputs": {"number": ["1", 0], "name": "größer 狐 🦊.txt"}},
}
CANVAS = {
    "nodes": [
        {"id": 1, "type": "T_Number", "inputs": [], "outputs": [{"name": "number", "type": "INT"}],
         "widgets_values": [4]},
        {"id": 2, "type": "T_Save", "inputs": [{"name": "number", "type": "INT", "link": 1}],
         "widgets_values": ["größer 狐 🦊.txt"]},
    ],
    "links": [[1, 1, 0, 2, 0, "INT"]],
    "version": 0.4,
}  # fmt: skip
HISTORY = {"prompt": [7, "id-7", PROMPT, {"extra_pnginfo": {"workflow": CANVAS}}, ["2"]], "outputs": {}, "status": {}}


def inputs(path: Path, registry: Any) -> dict[str, Any]:
    return {node_id: node["inputs"] for node_id, node in read_workflow(path, registry).prompt().items()}


WANTED = {node_id: node["inputs"] for node_id, node in PROMPT.items()}


@pytest.mark.parametrize("data", [PROMPT, CANVAS], ids=["api", "ui"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", b""),
        ("utf-16-le", b""), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32-le", codecs.BOM_UTF32_LE),
    ],
)  # fmt: skip
def test_any_unicode_encoding_with_or_without_a_mark(data: Any, encoding: str, mark: bytes, registry, tmp_path) -> None:
    path = tmp_path / "workflow.json"
    path.write_bytes(mark + json.dumps(data, ensure_ascii=False).encode(encoding))
    assert inputs(path, registry) == WANTED


@pytest.mark.parametrize(
    "data",
    [
        {"prompt": PROMPT}, {"prompt": json.dumps(PROMPT)}, {"workflow": CANVAS}, {"workflow": json.dumps(CANVAS)},
        {"client_id": "x", "prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": CANVAS}}},
        {"extra_data": {"extra_pnginfo": {"workflow": CANVAS}}}, {"id-7": HISTORY}, HISTORY, HISTORY["prompt"],
        {"output": PROMPT, "workflow": CANVAS}, {"id": "id-7", "workflow": {"prompt": PROMPT, "extra_data": {}}},
        [PROMPT], json.dumps(json.dumps(PROMPT)),
    ],
)  # fmt: skip
def test_wrappers_are_seen_through(data: Any, registry, workflow_file) -> None:
    assert inputs(workflow_file(data), registry) == WANTED


def test_of_several_runs_the_last_is_taken_and_named(registry, workflow_file) -> None:
    older = {**HISTORY, "prompt": [3, "id-3", {"9": {"class_type": "T_Fail", "inputs": {}}}, {}, []]}
    workflow = read_workflow(workflow_file({"id-7": HISTORY, "id-3": older}), registry)
    assert workflow.prompt().keys() == PROMPT.keys()
    assert workflow.notes == ("the file holds 2 runs; this is the last one, id-7",)


def test_the_canvas_of_a_request_goes_into_what_is_saved(registry, workflow_file) -> None:
    assert read_workflow(workflow_file({"id-7": HISTORY}), registry).graph == CANVAS


def png(path: Path, **texts: str) -> None:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)


def test_png_of_comfyui(registry, tmp_path) -> None:
    png(tmp_path / "a.png", prompt=json.dumps(PROMPT), workflow=json.dumps(CANVAS))
    assert inputs(tmp_path / "a.png", registry) == WANTED
    assert read_workflow(tmp_path / "a.png", registry).graph == CANVAS


@pytest.mark.parametrize("texts", [{"prompt": PROMPT}, {"workflow": CANVAS}], ids=["prompt", "workflow"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_png_with_one_of_both(texts: dict[str, Any], ascii_only: bool, registry, tmp_path) -> None:
    path = tmp_path / "a.png"
    png(path, **{name: json.dumps(value, ensure_ascii=ascii_only) for name, value in texts.items()})
    assert inputs(path, registry) == WANTED


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind them"])
def test_png_of_writers_who_put_utf_8_into_text_chunks(behind: bool, registry, tmp_path) -> None:
    path = tmp_path / "a.png"
    png(path)
    whole = path.read_bytes()
    text = chunk(b"tEXt", b"workflow\0" + json.dumps(CANVAS, ensure_ascii=False).encode())
    place = whole.index(b"IEND" if behind else b"IDAT") - 4
    path.write_bytes(whole[:place] + text + whole[place:])
    assert inputs(path, registry) == WANTED


def test_what_a_picture_was_asked_for_is_no_graph(registry, tmp_path) -> None:
    png(tmp_path / "a.png", prompt="a fox, masterpiece", workflow=json.dumps(CANVAS), parameters="Steps: 20")
    assert inputs(tmp_path / "a.png", registry) == WANTED


@pytest.mark.parametrize("format_", ["WEBP", "JPEG"])
@pytest.mark.parametrize("tags", ["make and model", "user comment", "description"])
def test_exif_of_those_who_save_for_comfyui(format_: str, tags: str, registry, tmp_path) -> None:
    exif = Image.Exif()
    both = {"prompt": PROMPT, "workflow": CANVAS}
    if tags == "make and model":
        exif[ExifTags.Base.Model] = f"prompt:{json.dumps(PROMPT)}"
        exif[ExifTags.Base.Make] = f"workflow:{json.dumps(CANVAS)}"
    elif tags == "user comment":
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + json.dumps(both).encode("utf-16")
    else:
        exif[ExifTags.Base.ImageDescription] = f"Workflow: {json.dumps(CANVAS)}"
    path = tmp_path / f"a.{format_.lower()}"
    Image.new("RGB", (8, 8)).save(path, format_, exif=exif)
    assert inputs(path, registry) == WANTED


def safetensors(path: Path, metadata: Any) -> None:
    header = json.dumps({"__metadata__": metadata}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def test_adapter_file(registry, tmp_path) -> None:
    safetensors(tmp_path / "a.safetensors", {"prompt": json.dumps(PROMPT), "workflow": json.dumps(CANVAS), "x": "y"})
    assert inputs(tmp_path / "a.safetensors", registry) == WANTED


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plain.png", "this picture carries no workflow"), ("cut.png", "a picture that can't be read"),
        ("text.png", "its prompt isn't one"), ("plain.safetensors", "this adapter file carries no workflow"),
        ("bad.safetensors", "a damaged header"), ("large.safetensors", "its header has"),
        ("latin.json", "isn't text in UTF-8"), ("binary.json", "isn't"), ("empty.json", "it is empty"), ("text.json", "it isn't JSON"),
    ],
)  # fmt: skip
def test_files_without_a_workflow_say_why(name: str, words: str, registry, tmp_path) -> None:
    path = tmp_path / name
    png(tmp_path / "plain.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:20])
    png(tmp_path / "text.png", prompt="a fox")
    safetensors(tmp_path / "plain.safetensors", {"format": "pt"})
    (tmp_path / "bad.safetensors").write_bytes((99).to_bytes(8, "little") + b"{'a'")
    (tmp_path / "large.safetensors").write_bytes((2**39).to_bytes(8, "little") + b"{}")
    (tmp_path / "latin.json").write_bytes('{"größer": 1}'.encode("latin-1"))
    (tmp_path / "binary.json").write_bytes(bytes(range(256)))
    (tmp_path / "empty.json").touch()
    (tmp_path / "text.json").write_text("a fox")
    with pytest.raises(WorkflowError, match="is not a workflow") as refused:
        read_workflow(path, registry)
    assert words in str(refused.value)


def test_half_an_emoji_in_a_title_is_no_reason_to_refuse(registry, workflow_file) -> None:
    data = json.dumps({**PROMPT, "1": {**PROMPT["1"], "_meta": {"title": "fox HALF"}}}).replace("HALF", "\\ud83e")
    workflow = read_workflow(workflow_file(data), registry)
    assert workflow.nodes["1"].title == "fox \ufffd"
    assert "half an emoji" in workflow.notes[0]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_json_in_any_encoding_is_read_as_what_it_was(value: Any, encoding: str) -> None:
    assert json_text.parse(json.dumps(value, ensure_ascii=False).encode(encoding)) == (value, False)


@given(st.text(st.characters(), max_size=20))
def test_what_is_read_can_always_be_written(text: str) -> None:
    value, is_mended = json_text.parse(json.dumps({text: [text]}))
    json.dumps(value, ensure_ascii=False).encode()
    assert is_mended == (value != {text: [text]})
