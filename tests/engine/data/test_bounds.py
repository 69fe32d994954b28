"""Text that unpacks into more than anybody writes is refused before it fills the memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data import limits
from lora_workbench.engine.data.loading import load_dataset

SHARE = 10
"""The limits of texts are so much smaller here, as tracing every allocation takes long: memory goes with them."""


@pytest.fixture(autouse=True)
def smaller_limits(monkeypatch: pytest.MonkeyPatch):
    for name in ("MAX_TABLE_BYTES", "MAX_TABLE_ROWS", "MAX_TEXT_BYTES"):
        monkeypatch.setattr(limits, name, getattr(limits, name) // SHARE)


def loading(path: Path) -> tuple[str, float]:
    """What is said of the data set, and the most memory that Python held for it, in MiB."""
    tracemalloc.start()
    try:
        said = " ".join(s.reason for s in load_dataset(path).skipped)
    except DatasetError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return said, peak


def test_an_archive_of_caption_bombs(encode, write_zip):
    files = {f"{n}.png": encode("red") for n in range(12)} | {f"{n}.txt": "x" * 16_000_000 for n in range(12)}
    path = write_zip(files)
    assert path.stat().st_size < 2_000_000
    said, peak = loading(path)
    assert "0.txt: it has more than 65,536 bytes" in said
    assert peak < 100


def test_captions_that_are_too_much_in_all(encode, write_zip):
    files = {f"{n}.png": encode("red") for n in range(110)} | {f"{n}.txt": "fox " * 16_000 for n in range(110)}
    said, peak = loading(write_zip(files))
    assert "bytes in all" in said
    assert peak < 400 / SHARE


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", "0\n" * 800_000),
        ("metadata.jsonl", '{"file_name":"a.png","text":"x"}\n' * 48_000),
        ("metadata.csv", "file_name,text\n" + "a.png,x\n" * 190_000),
        ("metadata.csv", "file_name,text\n" + "a,b,c\n" * 250_000),
        ("captions.json", "[" + ",".join(["[]"] * 500_000) + "]"),
        ("captions.json", json.dumps({str(n): "x" for n in range(80_000)})),
        ("a.json", "[" * 500_000),
        ("metadata.jsonl", "x" * 1_700_000),
    ],
)
def test_tables_that_unpack_into_millions_of_rows(encode, write_zip, name, text):
    said, peak = loading(write_zip({"a.png": encode("red"), name: text}))
    assert 0 < len(said) < 5000
    assert peak < 500 / SHARE
