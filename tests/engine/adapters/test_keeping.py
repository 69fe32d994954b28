"""Saving under a name that is free, taken by the same adapter, or taken by another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.keeping import Kept, keep


def test_a_free_name_is_taken(tmp_path: Path, make_adapter: Any) -> None:
    place = tmp_path / "animals" / "fox 1.5"
    assert keep(make_adapter(), place) == Kept(tmp_path / "animals" / "fox 1.5.safetensors", written=True)


def test_the_same_adapter_is_not_written_again(tmp_path: Path, make_adapter: Any) -> None:
    first = keep(make_adapter(), tmp_path / "fox")
    before = first.path.stat().st_mtime_ns
    again = keep(replace(make_adapter(), metadata={"note": "trained again"}), tmp_path / "fox")
    assert again == Kept(first.path, written=False)
    assert first.path.stat().st_mtime_ns == before


def test_another_adapter_gets_a_number_and_keeps_it(tmp_path: Path, make_adapter: Any) -> None:
    first = keep(make_adapter(seed=1), tmp_path / "fox")
    bytes_before = first.path.read_bytes()
    assert keep(make_adapter(seed=2), tmp_path / "fox") == Kept(tmp_path / "fox_00002.safetensors", written=True)
    assert keep(make_adapter(seed=3), tmp_path / "fox") == Kept(tmp_path / "fox_00003.safetensors", written=True)
    assert keep(make_adapter(seed=2), tmp_path / "fox") == Kept(tmp_path / "fox_00002.safetensors", written=False)
    assert first.path.read_bytes() == bytes_before


def test_the_number_format_counts(tmp_path: Path, make_adapter: Any) -> None:
    keep(make_adapter(), tmp_path / "fox", dtype="float16")
    assert keep(make_adapter(), tmp_path / "fox", dtype="float32").path.name == "fox_00002.safetensors"


@pytest.mark.parametrize("content", [b"", b"not an adapter"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, make_adapter: Any, content: bytes) -> None:
    (tmp_path / "fox.safetensors").write_bytes(content)
    assert keep(make_adapter(), tmp_path / "fox").path.name == "fox_00002.safetensors"
    assert (tmp_path / "fox.safetensors").read_bytes() == content


def test_an_adapter_that_was_loaded_keeps_its_kind_of_names(tmp_path: Path, make_adapter: Any) -> None:
    kohya = save_adapter(make_adapter(), tmp_path / "kohya.safetensors", key_style="kohya")
    made = replace(make_adapter(), key_style="transformer")
    transformer = save_adapter(made, tmp_path / "transformer.safetensors", key_style="transformer")
    assert kohya.path and transformer.path
    assert load_adapter(kohya.path).key_style == "kohya"
    assert load_adapter(transformer.path).key_style == "transformer"
    assert keep(load_adapter(kohya.path), tmp_path / "kohya") == Kept(kohya.path, written=False)
