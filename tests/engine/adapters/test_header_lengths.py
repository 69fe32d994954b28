"""No length of a header is taken for another kind of file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.engine.adapters.headers import read_raw_header
from lora_workbench.engine.core.errors import AdapterError


@pytest.mark.parametrize("length", [0x0280, 0x0480])
def test_lengths_that_begin_like_a_pickle(tmp_path: Path, length: int) -> None:
    header = json.dumps({"__metadata__": {"lw.name": "fox"}}).encode().ljust(length)
    path = tmp_path / "fox.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header)
    assert read_raw_header(path).metadata == {"lw.name": "fox"}


def test_pickles_are_told(tmp_path: Path) -> None:
    path = tmp_path / "fox.safetensors"
    path.write_bytes(b"\x80\x02}q\x00X\x04\x00\x00\x00name")
    with pytest.raises(AdapterError, match="a pickle"):
        read_raw_header(path)
