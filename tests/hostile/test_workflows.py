"""Whatever a workflow file holds: it runs or is refused in words, in bounded memory, and without writing elsewhere."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from hostile.looking import run_workflows
from hostile.workflows import workflows

MOST_MEMORY_KB = 1_500_000
SHARES = 3


@pytest.mark.parametrize("share", range(SHARES))
def test_no_workflow_crashes_fills_the_memory_or_writes_outside(tmp_path: Path, share: int) -> None:
    inputs = sorted(workflows())
    assert len(inputs) >= 150
    names = inputs[share::SHARES]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=run_workflows, args=(names, tmp_path, results))
    process.start()
    told = {}
    while (result := results.get(timeout=300))[0]:
        told[result[0]] = result[1]
    process.join()
    for name, (status, out, errors) in told.items():
        assert status in (0, 1, 2), (name, status)
        assert "Traceback" not in errors, (name, errors[-2000:])
        state = json.loads(out.splitlines()[-1])
        assert (state["status"] == "ok") == (status == 0), name
        assert status == 0 or state["error"], name
        assert len(errors) < 100_000, name
    assert int(result[1]) < MOST_MEMORY_KB
    expected = {f"{number}.json" for number in range(len(names))} | {"fox", "out"}
    assert {path.name for path in tmp_path.iterdir()} <= expected
