"""Results are kept as long as they are used and small enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lora_workbench.headless import store
from lora_workbench.headless.store import ResultStore


def keep(results: ResultStore, signature: str, text: str) -> None:
    results.save(
        signature, ui={}, files=[], values={0: text, 1: object(), 2: float("nan")}, types=["STRING", "LW_BASE", "FLOAT"]
    )


def test_only_what_can_be_written_down_is_held(tmp_path: Path) -> None:
    results = ResultStore(tmp_path)
    keep(results, "a", "words")
    stored = results.load("a")
    assert stored is not None
    assert [stored.holds(slot) for slot in range(3)] == [True, False, False]
    assert stored.value(0) == "words"
    assert results.load("b") is None


def test_results_unused_for_longest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = ResultStore(tmp_path)
    for age, signature in enumerate(("new", "middle", "old")):
        keep(results, signature, "x" * 1000)
        os.utime(tmp_path / f"{signature}.json", (1e9 - age, 1e9 - age))
    monkeypatch.setattr(store, "LARGEST_STORE", 2500)
    results.mark_used("old")
    results.prune()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "old"]


def test_pruning_nothing(tmp_path: Path) -> None:
    ResultStore(tmp_path / "not there").prune()
    assert not (tmp_path / "not there").exists()
