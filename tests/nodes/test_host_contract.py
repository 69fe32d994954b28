"""Both hosts describe every node alike, and ComfyUI's drives loops and finds folders as the headless one does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside
from lora_workbench.cli import main as cli
from lora_workbench.nodes.host import io
from node_descriptions import assert_alike

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

HERE = Path(__file__).resolve().parent


def in_comfyui(action: str, folder: Path) -> Any:
    return run_inside(HERE / "inside_comfyui.py", action, folder=folder)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return in_comfyui("describe", tmp_path_factory.mktemp("comfyui"))


def test_our_nodes_are_described_alike(described: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nodes", "--json"]) == 0
    assert_alike(json.loads(capsys.readouterr().out), described["nodes"])


def test_every_feature_of_the_schema_is_described_alike(described: dict[str, Any]) -> None:
    sys.path.insert(0, str(HERE))
    try:
        from example_nodes import examples
    finally:
        sys.path.remove(str(HERE))
    assert_alike({n.GET_SCHEMA().node_id: n.GET_NODE_INFO_V1() for n in examples(io)}, described["examples"])


def test_comfyui_drives_loops(tmp_path: Path) -> None:
    assert in_comfyui("drive", tmp_path) == {
        "inference": False,
        "gradients": True,
        "result": "done",
        "closed": True,
        "interrupted": True,
    }


def test_comfyui_folders(tmp_path: Path) -> None:
    for folder in ("input/pictures", "models/loras/sub", "models/diffusers/tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models/loras/sub/a.safetensors").touch()
    (tmp_path / "models/loras/b.ckpt").touch()
    assert in_comfyui("paths", tmp_path) == {
        "store": str(tmp_path / "user" / "lora_workbench"),
        "adapters": str(tmp_path / "output" / "loras"),
        "dataset": str(tmp_path / "input" / "pictures"),
        "adapter": str(tmp_path / "models" / "loras" / "sub" / "a.safetensors"),
        "base": str(tmp_path / "models" / "diffusers" / "tiny"),
        "files": ["sub/a.safetensors"],
        "refused": ["DatasetError", "AdapterError", "BaseModelError"],
    }


def test_loading_removes_what_killed_processes_left(tmp_path: Path) -> None:
    """In the folders that are ours alone or hold what we saved, and nothing that another program writes."""
    ours = [tmp_path / folder / ".fox.abcdefgh.partial" for folder in
            ("output/loras/animals", "output/datasets", "user/lora_workbench/runs/0123")]  # fmt: skip
    downloads = [tmp_path / "output" / "loras" / "fox.safetensors.partial"]
    for path in [*ours, *downloads]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    assert in_comfyui("load", tmp_path) is True
    assert not [path for path in ours if path.exists()]
    assert all(path.exists() for path in downloads)
