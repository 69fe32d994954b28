"""Adapter files in memory: read once while they stay the same, and never too many of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
from lora_workbench.engine.adapters.file_cache import FileCache
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.core.errors import AdapterError


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files that were opened so far."""
    names: list[str] = []
    original = safetensors.safe_open

    def counted(path: Any, **options: Any) -> Any:
        names.append(Path(path).name)
        return original(path, **options)

    monkeypatch.setattr(safetensors, "safe_open", counted)
    return names


@pytest.fixture
def files(tmp_path: Path, make_adapter: Any) -> list[Path]:
    """Three files of equal size."""
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(paths):
        save_adapter(make_adapter(seed=number, targets=("attn1.to_q",)), path, key_style="kohya")
    return paths


def test_a_file_is_read_once(files: list[Path], opened: list[str]) -> None:
    cache = FileCache()
    first = cache.read(files[0])
    assert cache.read(files[0]) is first
    assert first.adapter is cache.read(files[0]).adapter
    assert opened == ["0.safetensors"]


def test_a_changed_file_is_read_again(files: list[Path], opened: list[str]) -> None:
    cache = FileCache()
    first = cache.read(files[0])
    os.replace(files[1], files[0])
    os.utime(files[0], ns=(0, 0))
    second = cache.read(files[0])
    assert second.adapter.content_hash != first.adapter.content_hash
    files[0].unlink()
    with pytest.raises(AdapterError, match="No adapter at"):
        cache.read(files[0])


@pytest.mark.parametrize("bound", ["files", "bytes"])
def test_the_files_unused_for_longest_are_let_go(files: list[Path], opened: list[str], bound: str) -> None:
    size = FileCache().read(files[0]).size
    cache = FileCache(most_files=2) if bound == "files" else FileCache(most_bytes=2 * size)
    opened.clear()
    for number in (0, 1, 0, 2, 0, 1):
        cache.read(files[number])
    assert [name[0] for name in opened] == ["0", "1", "2", "1"]


def test_a_file_beyond_the_bound_is_still_read(files: list[Path], opened: list[str]) -> None:
    cache = FileCache(most_bytes=1)
    for _ in range(2):
        assert cache.read(files[0]).adapter.name == "0"
    assert len(opened) == 2
