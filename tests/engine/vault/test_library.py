"""The library as pages look at it: it answers while it reads, and finds what has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from lora_workbench.engine.vault import library as library_module
from lora_workbench.engine.vault.folders import adapters_below
from lora_workbench.engine.vault.library import Library
from lora_workbench.engine.vault.searching import Query
from vault_files import SDXL, lora_file

ALL = Query.of("")


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    lora_file(tmp_path / "loras" / "animals" / "fox.safetensors", ss_sd_model_name="Größe")
    lora_file(tmp_path / "loras" / "woodcut.safetensors", stem=SDXL)
    return tmp_path / "loras"


@pytest.fixture
def library(loras: Path, tmp_path: Path) -> Library:
    return Library(tmp_path / "index.sqlite", lambda: adapters_below(loras), [loras])


def names(library: Library, query: Query = ALL) -> list[str]:
    return [card.name for card in library.search(query)[1]]


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def settled(library: Library) -> Library:
    """When nothing is being read any more."""
    library.search(ALL, most=0)
    until(lambda: library.reading is None)
    return library


def test_files_that_come_and_go_are_found(library: Library, loras: Path) -> None:
    assert names(settled(library)) == ["animals/fox.safetensors", "woodcut.safetensors"]
    version = library.version
    assert names(settled(library)) and library.version == version, "nothing has changed"
    lora_file(loras / "new" / "folder" / "owl.safetensors")
    assert "new/folder/owl.safetensors" in names(settled(library))
    assert library.version > version
    lora_file(loras / "new" / "folder" / "elk.safetensors")
    (loras / "woodcut.safetensors").unlink()
    assert names(settled(library)) == [
        "animals/fox.safetensors", "new/folder/elk.safetensors", "new/folder/owl.safetensors",
    ]  # fmt: skip
    assert library.path("woodcut.safetensors") is None
    lora_file(loras / "late.safetensors")
    assert library.path("late.safetensors") == loras / "late.safetensors", "which nobody has looked at yet"


def test_files_that_change_in_place_are_found_after_a_while(
    library: Library, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = loras / "animals"
    before = os.stat(folder)
    settled(library)
    lora_file(folder / "fox.safetensors", rank=32, modelspec__trigger_phrase="ohwx fox")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(settled(library), Query.of("ohwx")) == []
    monkeypatch.setattr(library_module, "LOOK_EVERY", 0.0)
    assert names(settled(library), Query.of("ohwx")) == ["animals/fox.safetensors"]


def test_nobody_waits_for_a_slow_disk(loras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = Event()

    def files() -> list[tuple[str, Path]]:
        go_on.wait(30)
        return adapters_below(loras)

    monkeypatch.setattr(library_module, "FIRST_WAIT", 0.01)
    library = Library(tmp_path / "index.sqlite", files, [loras])
    assert library.search(ALL) == (0, [])
    assert library.reading == (0, 0)
    go_on.set()
    until(lambda: library.reading is None)
    assert len(names(library)) == 2


def test_a_folder_that_cant_be_listed_is_told(tmp_path: Path) -> None:
    def files() -> list[tuple[str, Path]]:
        raise PermissionError("no")

    library = settled(Library(tmp_path / "index.sqlite", files, []))
    assert library.note == "The adapters can't be looked at: no."


def test_a_damaged_index_is_told(library: Library, tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"\xff" * 5000)
    assert len(names(settled(library))) == 2
    assert "damaged" in library.note


def test_a_note_is_there_at_once(library: Library, loras: Path) -> None:
    settled(library)
    (loras / "woodcut.lw.json").write_text('{"notes": "at dusk"}')
    library.renew("woodcut.safetensors")
    assert names(library, Query.of("note:dusk")) == ["woodcut.safetensors"]
    library.renew("../elsewhere")


def test_what_there_is_to_choose_among(library: Library, loras: Path) -> None:
    lora_file(loras / "second.safetensors", ss_sd_model_name="GRÖSSE", lw__version="1")
    settled(library)
    assert library.counts(ALL, "family") == {"sd1": 2, "sdxl": 1}
    assert library.counts(Query.of("woodcut"), "family") == {"sdxl": 1}
    assert library.counts(ALL, "kinds") == {"lora": 3}
    assert sum(library.counts(ALL, "base").values()) == 2, "names of base models as they are written, once each"
    [base] = library.counts(ALL.narrowed(family="sd1", here=True), "base")
    assert names(library, ALL.narrowed(base=base)) == ["animals/fox.safetensors", "second.safetensors"]
    assert names(library, ALL.narrowed(family="sd")) == []
    assert library.search(ALL, first=1, most=1)[1][0].name == names(library)[1]
