"""Whatever a folder or archive holds: a data set or an error in words, within bounds of memory, and nothing written."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from hostile.looking import look_at

MOST_MEMORY_KB = 1_500_000


def test_no_input_crashes_fills_the_memory_or_writes_anything(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=look_at, args=(tmp_path, results))
    process.start()
    said, crashed = {}, {}
    while True:
        name, words, crash = results.get(timeout=300)
        if not name:
            break
        said[name] = words
        crashed |= {name: crash} if crash else {}
    process.join()
    assert len(said) >= 150
    assert crashed == {}
    assert all(len(words) < 20_000 for words in said.values())
    assert int(words) < MOST_MEMORY_KB
    # Beside the inputs themselves, nothing is there.
    assert {path.name for path in tmp_path.iterdir()} == {str(number) for number in range(len(said))}
    assert all({entry.name for entry in root.iterdir()} <= {"set", "set.zip"} for root in tmp_path.iterdir())
