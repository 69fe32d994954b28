"""`make gpu` at tiny sizes on a CPU; a part that fails is told, and the others go on."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from lora_workbench.engine.models.registry import load_base
from tiny import TINY


def script(root: Path, name: str) -> ModuleType:
    """A module of the kit, which is no package."""
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", root / "benchmarks" / "gpu" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.proofs
def test_the_kit_runs_on_a_cpu(root: Path, tmp_path: Path):
    command = [
        sys.executable,
        str(root / "benchmarks" / "gpu" / "kit.py"),
        "--device",
        "cpu",
        "--output",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert result["card"]["torch"] == torch.__version__
    assert [part["name"].split()[0] for part in result["parts"]] == ["card.py", "tests/gpu", "training.py"]
    assert {(row["program"], row["plan"]) for row in result["rows"]} == {
        ("ours", "all kept"),
        ("ours", "checkpointed"),
        ("ours", "streamed"),
        ("diffusers with peft", "all kept"),
        ("diffusers with peft", "checkpointed"),
    }
    assert all(row["milliseconds"] > 0 for row in result["rows"])
    page = (tmp_path / "result.md").read_text(encoding="utf-8")
    assert all(f"| {row['model']} | {row['program']} | {row['plan']} |" in page for row in result["rows"])


def test_parts_that_fail_are_told(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kit = script(root, "kit")
    rows = tmp_path / "rows.json"
    told = [{"model": "M", "program": "ours", "plan": "p", "error": error} for error in ("out of memory", "no | such")]
    rows.write_text(json.dumps(told))
    parts = [
        kit.Part("breaks", ("-c", "raise SystemExit('broken')"), 20),
        kit.Part("hangs", ("-c", "import time; time.sleep(60)"), 1),
        kit.Part("measures", ("-c", "pass"), 20, rows),
        kit.Part("works", ("-c", "print('fine')"), 20),
    ]
    monkeypatch.setattr(kit, "parts", lambda device, folder: parts)
    found = kit.result("cpu", tmp_path, dict(os.environ))
    ended = {part["name"]: (part["ok"], part["ended"]) for part in found["parts"]}
    assert ended == {
        "breaks": (False, "broken"),
        "hangs": (False, "stopped after 1 s"),
        "measures": (False, "no | such"),
        "works": (True, "fine"),
    }
    page = kit.table(found)
    assert "| M | ours | p | out of memory |  |  |" in page
    assert "no \\| such" in page


@pytest.mark.parametrize(
    ("family", "billions", "layers"), [("sdxl", 2.57, 560), ("z-image", 6.15, 136), ("flux2", 3.88, 80)]
)
def test_full_sizes_are_those_of_the_published_models(
    root: Path, tmp_path: Path, family: str, billions: float, layers: int
):
    """And an adapter goes into the attention layers of all blocks, not only into those that the tiny model has."""
    models = script(root, "models")
    base = load_base(TINY[family](tmp_path), device="cpu", precision="fp32")
    with torch.device("meta"):
        denoiser = models.SIZES[family].make()
    assert sum(p.numel() for p in denoiser.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)
    targets = tuple(f".{target}" for target in models.presets(base, denoiser)["attention"])
    assert sum(f".denoiser.{name}".endswith(targets) for name, _ in denoiser.named_modules()) == layers


def test_what_is_carried_is_small(root: Path):
    """The repository without what git ignores goes to machines that allow 64 MiB."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    assert sum((root / name).lstat().st_size for name in listed.stdout.split("\0") if name) < 64 * 2**20
