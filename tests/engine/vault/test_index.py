"""The vault's index: what is read again, searches, lost files, and index files that can't be used."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.vault import index as index_module
from lora_workbench.engine.vault.index import SCHEMA, Index, opened
from lora_workbench.engine.vault.searching import Query
from vault_files import SDXL, lora_file


@pytest.fixture
def loras(tmp_path: Path) -> Path:
    """Four adapters, two of one name."""
    lora_file(tmp_path / "loras" / "animals" / "fox.safetensors", modelspec__trigger_phrase="ohwx fox", fill=1)
    lora_file(tmp_path / "loras" / "people" / "fox.safetensors", modelspec__trigger_phrase="Fox Mulder", fill=2)
    lora_file(tmp_path / "loras" / "woodcut.safetensors", stem=SDXL, rank=16, ss_sd_model_name="Größe", fill=3)
    lora_file(tmp_path / "loras" / "Ünder.safetensors", rank=8, fill=4)
    return tmp_path / "loras"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store" / "vault" / "index.sqlite"


def files(loras: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(loras).as_posix(), path) for path in sorted(loras.rglob("*.safetensors"))]


def refreshed(index: Index, loras: Path) -> int:
    """How many files were read."""
    events = [*index.refresh(files(loras))]
    return max((event.total for event in events if isinstance(event, Progress)), default=0)


def names(index: Index, text: str) -> list[str]:
    return [card.name for card in index.search(Query.of(text))]


def test_only_what_changed_is_read_again(loras: Path, place: Path) -> None:
    with opened(place) as index:
        assert refreshed(index, loras) == 4
        assert [card.name for card in index.cards()] == [name for name, _ in files(loras)]
    with opened(place) as index:
        assert refreshed(index, loras) == 0
        (loras / "woodcut.json").write_text('{"activation text": "zwx"}')
        assert refreshed(index, loras) == 1
        assert names(index, "zwx") == ["woodcut.safetensors"]
        before = (loras / "woodcut.safetensors").stat()
        lora_file(loras / "woodcut.safetensors", stem=SDXL, rank=16, ss_sd_model_name="Grüße", fill=3)
        os.utime(loras / "woodcut.safetensors", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert refreshed(index, loras) == 1, "an edit of equal length by a program that restores the time"
        (loras / "woodcut.safetensors").unlink()
        assert refreshed(index, loras) == 0
        assert "woodcut.safetensors" not in names(index, "")


def test_one_card_is_read_at_once_and_kept(loras: Path, place: Path) -> None:
    path = loras / "woodcut.safetensors"
    with opened(place) as index:
        assert index.card("woodcut.safetensors", path).rank == 16
        assert refreshed(index, loras) == 3
        lora_file(path, rank=2)
        assert index.card("woodcut.safetensors", path).rank == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fox", ["animals/fox.safetensors", "people/fox.safetensors"]),
        ("FOX mulder", ["people/fox.safetensors"]),
        ('trigger:"ohwx fox"', ["animals/fox.safetensors"]),
        ("family:sdxl rank:16", ["woodcut.safetensors"]),
        ("rank:>=8", ["woodcut.safetensors", "Ünder.safetensors"]),
        ("rank:5-10 kind:lora", ["Ünder.safetensors"]),
        ("kind:lor", []),
        ("base:GRÖSSE", ["woodcut.safetensors"]),
        ("name:ünder", ["Ünder.safetensors"]),
        ("writer:kohya -", []),
        ("' or 1=1 --", []),
        ("%", []),
    ],
)
def test_searches(loras: Path, place: Path, text: str, found: list[str]) -> None:
    with opened(place) as index:
        refreshed(index, loras)
        assert names(index, text) == found


def test_those_with_the_words_in_their_names_come_first(loras: Path, place: Path) -> None:
    lora_file(loras / "a.safetensors", modelspec__trigger_phrase="a woodcut")
    with opened(place) as index:
        refreshed(index, loras)
        assert names(index, "woodcut") == ["woodcut.safetensors", "a.safetensors"]


@pytest.mark.parametrize("text", ["famly:sdxl", "rank:big", "rank:>4-9", "https://civitai.com"])
def test_searches_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Query.of(text)
    assert caught.value.expected


def test_a_lost_file_is_found_under_its_new_name(loras: Path, place: Path) -> None:
    with opened(place) as index:
        refreshed(index, loras)
        (loras / "woodcut.safetensors").rename(loras / "style-final2.safetensors")
        refreshed(index, loras)
        assert index.same_as("woodcut.safetensors") == ["style-final2.safetensors"]
        assert index.same_as("animals/fox.safetensors") == []
        assert index.same_as("never.safetensors") == []


def test_other_metadata_dont_hide_a_lost_file(loras: Path, place: Path) -> None:
    with opened(place) as index:
        refreshed(index, loras)
        (loras / "woodcut.safetensors").unlink()
        lora_file(loras / "b.safetensors", stem=SDXL, rank=16, fill=3, modelspec__title="edited elsewhere")
        refreshed(index, loras)
        assert index.same_as("woodcut.safetensors") == ["b.safetensors"]


@pytest.fixture
def locked(place: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the index for itself alone."""
    with opened(place):
        pass
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("pragma locking_mode = exclusive")
    other.execute("begin exclusive")
    other.execute("delete from adapters")
    yield other
    other.rollback()
    other.close()


def test_a_locked_index_is_done_without(loras: Path, place: Path, locked: sqlite3.Connection) -> None:
    with opened(place, wait=0.1) as index:
        assert refreshed(index, loras) == 4
        assert len(index.cards()) == 4
        assert "locked" in index.note


def test_an_index_that_is_locked_while_it_is_used_is_done_without(loras: Path, place: Path) -> None:
    with opened(place, wait=0.1) as index:
        refreshed(index, loras)
        other = sqlite3.connect(place, isolation_level=None)
        other.execute("begin immediate")
        lora_file(loras / "new.safetensors")
        refreshed(index, loras)
        assert len(index.cards()) == 5
        assert "locked" in index.note
        other.rollback()
        other.close()
    with opened(place) as index:
        assert len(index.cards()) == 4, "what was kept before is still there"


@pytest.mark.parametrize("damage", ["random bytes", "its end", "pages", "a table", "cards"])
def test_a_damaged_index_is_made_anew_and_kept_aside(loras: Path, place: Path, damage: str) -> None:
    with opened(place) as index:
        refreshed(index, loras)
    content = bytearray(place.read_bytes())
    if damage == "random bytes":
        place.write_bytes(os.urandom(20_000))
    elif damage == "its end":
        place.write_bytes(content[: len(content) // 2 + 7])
    elif damage == "pages":
        content[4096:] = os.urandom(len(content) - 4096)
        place.write_bytes(content)
    else:
        connection = sqlite3.connect(place)
        connection.execute("drop table adapters" if damage == "a table" else "update adapters set card = '{'")
        connection.commit()
        connection.close()
    with opened(place) as index:
        refreshed(index, loras)
        assert len(index.cards()) == 4
        assert "damaged" in index.note
        assert place.with_suffix(".damaged.sqlite").is_file()
    with opened(place) as index:
        assert (refreshed(index, loras), index.note) == (0, "")


def test_another_programs_file_and_a_newer_index_are_left_alone(loras: Path, place: Path) -> None:
    place.parent.mkdir(parents=True)
    for wanted in ("another program's", "newer version"):
        connection = sqlite3.connect(place)
        if wanted == "another program's":
            connection.execute("create table notes (text)")
        else:
            connection.execute(f"pragma application_id = {index_module._OURS}")
            connection.execute(f"pragma user_version = {SCHEMA + 1}")
        connection.commit()
        connection.close()
        before = place.read_bytes()
        with opened(place) as index:
            assert refreshed(index, loras) == 4
            assert len(index.cards()) == 4
            assert wanted in index.note
        assert place.read_bytes() == before


def test_an_older_index_is_made_anew(loras: Path, place: Path) -> None:
    with opened(place) as index:
        refreshed(index, loras)
    connection = sqlite3.connect(place)
    connection.execute(f"pragma user_version = {SCHEMA - 1}")
    connection.execute("drop table adapters")
    connection.execute("create table adapters (old)")
    connection.commit()
    connection.close()
    with opened(place) as index:
        assert (refreshed(index, loras), index.note) == (4, "")


def test_a_place_that_cant_be_written_is_done_without(loras: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    with opened(tmp_path / "file" / "index.sqlite") as index:
        assert refreshed(index, loras) == 4
        assert "can't be used now" in index.note


def test_several_at_once(loras: Path, place: Path) -> None:
    notes = []

    def use() -> None:
        with opened(place) as index:
            refreshed(index, loras)
            notes.append((index.note, len(index.cards())))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes == [("", 4)] * 4


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_arent_utf8(loras: Path, place: Path) -> None:
    path = loras / os.fsdecode(b"caf\xe9.safetensors")
    lora_file(path)
    with opened(place) as index:
        refreshed(index, loras)
        assert path.name in [card.name for card in index.cards()]
        assert refreshed(index, loras) == 0


def test_names_that_fit_best_come_first(tmp_path: Path, place: Path) -> None:
    folder = tmp_path / "loras"
    for at, name in enumerate(("arctic fox", "foxes/owl", "fox", "firefox", "a_fox_b", "told")):
        told = {"modelspec__trigger_phrase": "fox"} if name == "told" else {}
        lora_file(folder / f"{name}.safetensors", fill=at + 1, **told)
    with opened(place) as index:
        refreshed(index, folder)
        found = ["fox", "a_fox_b", "arctic fox", "foxes/owl", "firefox", "told"]
        assert names(index, "fox") == [f"{name}.safetensors" for name in found]
        recent = ["told.safetensors", "firefox.safetensors", "foxes/owl.safetensors"]
        cards = index.search(Query.of("fox"), recent=recent, first=1, most=2)
        assert [card.name for card in cards] == ["foxes/owl.safetensors", "a_fox_b.safetensors"]
        assert index.count(Query.of("fox")) == 6
