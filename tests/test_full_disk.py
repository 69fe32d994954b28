"""A disk that is full while results are saved."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from workspace import Workspace, changed, in_another_process, in_api_format, training

FULL_DISK = """
import resource, sys
from lora_workbench.cli.main import main
output, *runs = sys.argv[1:]
for limit, workflow in zip(runs[::2], runs[1::2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    main(["run", workflow, "--output", output, "--json"])
"""
"""Runs workflows, each in its turn with files that can't grow beyond so many bytes."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_disk_full_while_saving(workspace: Workspace) -> None:
    """There is room for ever larger files, so that one kind after the other can't be written; then for all."""
    train = workspace.write(changed(training(workspace.pictures, workspace.base), train__seed=2), "train")
    copy_adapter = workspace.write(
        in_api_format({
            "adapter": ("LW_LoadAdapter", {"adapter": "zwx.safetensors"}),
            "save": ("LW_SaveAdapter", {"adapter": ["adapter", 0], "filename": "copy", "dtype": "float32"}),
        }),
        "copy",
    )  # fmt: skip
    runs: list[tuple[int, Path, str]] = [
        (0, train, "node data (LW_LoadDataset): "),
        (12_000, train, ".state.safetensors could not be written"),
        (1_000_000, train, "node train (LW_TrainLoRA): "),
        (20_000, copy_adapter, "copy.safetensors could not be written"),
    ]
    before = workspace.files()
    arguments = [str(part) for limit, workflow, _ in [*runs, (10**9, train, "")] for part in (limit, workflow)]
    told = in_another_process(FULL_DISK, str(workspace.output), *arguments, folder=workspace.output)
    *refused, last = map(json.loads, told.stdout.splitlines())
    after = workspace.files()
    assert {path: after.get(path) for path in before} == before
    assert not [path for path in after if path.name.endswith(".partial")]
    assert "Traceback" not in told.stderr
    for result, (_, _, words) in zip(refused, runs, strict=True):
        assert result["status"] == "error"
        assert words in result["error"] and "File too large" in result["error"]
        assert "What to do: free some space" in result["error"]
    assert last["status"] == "ok"
    assert last["reports"]["train"]["cached"], "what was trained before the disk was full is kept"
    assert Path(last["adapters"][0]) not in before, "other tests have saved adapters here, and none was overwritten"
