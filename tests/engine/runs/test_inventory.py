"""The run store tells what it holds and shrinks on request, but keeps finished adapters and runs in progress."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.inventory import Wish, _remove, inventory, prune
from lora_workbench.engine.runs.store import RunStore
from workspace import Workspace, training

DAY = 86_400
NOW = 1_000 * DAY


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two runs and some caches; the older run was used 50 days ago, everything else 10 days ago."""
    store = RunStore(tmp_path / "run-store")
    old, new = "a" * 64, "b" * 64
    for lineage, days in ((old, 50), (new, 10)):
        places = (store.finished, store.record, store.state)
        for path in [*(place(lineage, 8) for place in places), store.snapshot(lineage, 4, 8)]:
            write(path, 100, days)
    write(store.root / "encoded" / "ab" / "abc.safetensors", 1000, 10)
    write(store.root / "encoded" / "cd" / "cde.safetensors", 1000, 20)
    write(store.root / "nodes" / "n.json", 10, 10)
    write(store.root / "nodes" / "n.safetensors", 90, 10)
    write(store.class_pictures / "k" / "class_00001.png", 10, 10)
    return store


def write(path: Path, size: int, days: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - days * DAY,) * 2)


def kinds(items) -> list[tuple[str, str]]:
    return sorted((item.kind, item.name[:1]) for item in items)


def files(store: RunStore) -> set[Path]:
    return {path for path in store.root.rglob("*") if path.is_file()}


def test_everything_is_listed_once(store):
    items = inventory(store)
    listed = [path for item in items for path in item.files]
    assert sorted(listed) == sorted(files(store))
    assert sum(item.bytes for item in items) == sum(path.stat().st_size for path in files(store))
    assert kinds(items) == [
        ("adapter", "a"), ("adapter", "b"), ("cache", "c"), ("cache", "e"), ("cache", "e"), ("cache", "n"),
        ("snapshot", "a"), ("snapshot", "b"), ("state", "a"), ("state", "b"),
    ]  # fmt: skip


def test_by_age(store):
    assert kinds(prune(store, Wish(older_than=30), now=NOW)) == [("snapshot", "a"), ("state", "a")]
    assert store.finished("a" * 64, 8).exists() and store.record("a" * 64, 8).exists()
    assert kinds(prune(store, Wish(older_than=15), now=NOW)) == [("cache", "e")]


def test_by_size_the_longest_unused_first(store):
    total = sum(item.bytes for item in inventory(store))
    assert kinds(prune(store, Wish(larger_than=total - 150), now=NOW)) == [("snapshot", "a"), ("state", "a")]
    assert not prune(store, Wish(larger_than=10**9), now=NOW)


def test_by_lineage_and_adapters_only_when_asked(store):
    assert kinds(prune(store, Wish(lineage="aaaa"), now=NOW)) == [("snapshot", "a"), ("state", "a")]
    assert kinds(prune(store, Wish(lineage="aaaa", adapters=True), now=NOW)) == [("adapter", "a")]
    assert not (store.root / "runs" / ("a" * 24)).exists(), "an empty run leaves no folder"
    assert store.finished("b" * 64, 8).exists()


def test_a_run_in_progress_is_left_alone(store):
    lock = Exclusive(store.lock("a" * 64))
    list(lock.acquire("a"))
    assert {name for _, name in kinds(prune(store, Wish(adapters=True), now=NOW))} == {"b", "c", "e", "n"}
    assert kinds(inventory(store)) == [("adapter", "a"), ("snapshot", "a"), ("state", "a")]
    lock.release()


def test_caches_that_a_run_in_progress_may_need_are_left_alone(store):
    lock = Exclusive(store.lock("a" * 64))
    list(lock.acquire("a"))
    used = store.root / "encoded" / "ab" / "abc.safetensors"
    used.touch()
    assert kinds(prune(store, Wish(larger_than=0), dry_run=True)).count(("cache", "e")) == 1
    lock.release()
    assert kinds(prune(store, Wish(larger_than=0), dry_run=True)).count(("cache", "e")) == 2
    assert used.exists()


def test_a_run_that_begins_while_others_are_removed_is_left_alone(store):
    """Its items were free when they were chosen."""
    items = [item for item in inventory(store) if item.name.startswith("a")]
    lock = Exclusive(store.lock("a" * 64))
    list(lock.acquire("a"))
    assert not any(_remove(store, item) for item in items)
    lock.release()
    assert all(_remove(store, item) for item in items)


def test_what_is_read_counts_as_used(store):
    import torch

    store.encoded.put("old", {"x": torch.zeros(1)})
    store.captions.put("old", "a fox")
    places = [store.encoded.folder / "ol" / "old.safetensors", store.captions.folder / "ol" / "old.txt"]
    for path in places:
        os.utime(path, (0, 0))
    assert store.encoded.get("old") is not None and store.captions.get("old") == "a fox"
    assert all(path.stat().st_mtime > NOW for path in places)


def test_a_dry_run_removes_nothing(store):
    before = files(store)
    assert prune(store, Wish(adapters=True), dry_run=True, now=NOW)
    assert files(store) == before


def test_from_the_shell(store, capsys):
    output = str(store.root.parent)
    assert cli.main(["store", "--output", output, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["kind"], row["count"]) for row in rows if row["name"] == "encoded"} == {("cache", 2)}
    before = files(store)
    assert cli.main(["store", "--output", output, "prune", "--older-than", "30d", "--dry-run"]) == 0
    assert "Would remove" in capsys.readouterr().out
    assert files(store) == before
    assert cli.main(["store", "prune", "--output", output, "--caches"]) == 0
    assert {path.parent.name for path in before - files(store)} == {"ab", "cd", "nodes", "k"}


def test_options_count_before_and_after_the_action(store, capsys):
    assert cli.main(["store", "--json", "--root", str(store.root), "prune", "--max-size", "1k", "--dry-run"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert cli.main(["store", "prune", "--root", str(store.root), "--max-size", "1KB", "--dry-run", "--json"]) == 0
    assert before == json.loads(capsys.readouterr().out) != []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "say what to remove"),
        (["--adapters"], "say what to remove"),
        (["--caches", "--lineage", "a"], "can't be combined"),
        (["--caches", "--adapters"], "can't be combined"),
        (["--caches", "--root", "a", "--output", "b"], "not allowed with"),
        (["--older-than", "soon"], "expected an age"),
        (["--max-size", "much"], "expected a size"),
    ],
)
def test_pruning_that_makes_no_sense_is_refused(arguments, told, store, capsys):
    before = files(store)
    with pytest.raises(SystemExit) as caught:
        cli.main(["store", "--output", str(store.root.parent), "prune", *arguments])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err
    assert files(store) == before


def test_a_folder_that_is_no_store_is_left_alone(tmp_path, capsys):
    write(tmp_path / "nodes" / "mine.py", 10, 10)
    write(tmp_path / "README.md", 10, 10)
    assert cli.main(["store", "prune", "--root", str(tmp_path), "--older-than", "0d"]) == 1
    assert "isn't a run store: it also holds README.md" in capsys.readouterr().err
    assert (tmp_path / "nodes" / "mine.py").exists()
    assert cli.main(["store", "--output", str(tmp_path / "gone")]) == 1
    assert "No run store" in capsys.readouterr().err


def test_a_finished_run_is_listed_by_its_adapters_name(store, capsys):
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, store.finished("a" * 64, 8), metadata={"modelspec.title": "fox"})
    assert cli.main(["store", "--root", str(store.root), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["name"][0], row["title"]) for row in rows if row["kind"] == "adapter"} == {("a", "fox"), ("b", "")}


def test_a_finished_run_outlives_pruning(tmp_path: Path, tiny_sd1: Path, capsys):
    workspace = Workspace(tmp_path, tiny_sd1)
    graph = training(workspace.pictures, tiny_sd1)
    assert workspace.run(graph) == 0
    assert cli.main(["store", "prune", "--output", str(workspace.output), "--older-than", "0d"]) == 0
    left = inventory(RunStore(workspace.output / "run-store"))
    assert [(item.kind, len(item.files)) for item in left] == [("adapter", 2)]
    capsys.readouterr()
    assert workspace.run(graph) == 0
    assert json.loads(capsys.readouterr().out)["reports"]["train"]["cached"]
