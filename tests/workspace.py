"""Small workflows in API format, and a folder to run them in by the command line."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from lora_workbench.cli import main as cli
from PIL import Image

Graph = dict[str, dict[str, Any]]


def in_api_format(nodes: dict[str, tuple[str, dict[str, Any]]]) -> Graph:
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


def training(pictures: Path | str, base: Path | str, on_unreadable: str = "skip") -> Graph:
    """A short training whose adapter is saved."""
    return in_api_format({
        "data": ("LW_LoadDataset", {"path": str(pictures), "on_unreadable": on_unreadable}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
            "mode": "prepend",
        }),
        "base": ("LW_LoadBase", {"base": str(base), "device": "cpu", "precision": "fp32"}),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["base", 0], **chosen(steps=2, rank=2),
        }),
        "train": ("LW_TrainLoRA", {
            "dataset": ["captions", 0], "base": ["base", 0], "recipe": ["recipe", 0], "seed": 1, "name": "zwx",
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "zwx", "dtype": "float32"}),
    })  # fmt: skip


def chosen(goal: str = "subject", **settings: Any) -> dict[str, str]:
    """The inputs of LW_Recipe that choose settings by hand."""
    lines = [f"{n} = {'; '.join(v.splitlines()) if isinstance(v, str) else v}" for n, v in settings.items()]
    return {"goal": goal, "quality": "standard", "settings": "\n".join(lines)}


def drawing(adapter: str, base: Path | str) -> Graph:
    """One picture drawn with a saved adapter."""
    return in_api_format({
        "adapter": ("LW_LoadAdapter", {"adapter": adapter}),
        "stack": ("LW_StackAdapters", {
            "adapter": ["adapter", 0], "weight": 1.0, "text_encoder_weight": 1.0, "enabled": True,
        }),
        "base": ("LW_LoadBase", {"base": str(base), "device": "cpu", "precision": "fp32"}),
        "draw": ("LW_Generate", {
            "base": ["base", 0], "stack": ["stack", 0], "prompts": "a zwx thing", "seed": 1, "seeds_per_prompt": 1,
            "steps": 1, "guidance": 1.0, "negative_prompt": "", "width": 0, "height": 0, "batch_size": 1,
        }),
        "pictures": ("LW_SaveImages", {"filename_prefix": "drawn", "batch": ["draw", 1]}),
    })  # fmt: skip


def changed(graph: Graph, **values: Any) -> Graph:
    """The graph with other inputs, each named ``node__input``."""
    graph = copy.deepcopy(graph)
    for address, value in values.items():
        node, name = address.split("__")
        graph[node]["inputs"][name] = value
    return graph


def plain_pictures(folder: Path) -> Path:
    folder.mkdir()
    for name, color in {"a": "red", "b": "green", "c": "blue"}.items():
        Image.new("RGB", (32, 32), color).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a zwx thing", encoding="utf-8")
    return folder


class Told(NamedTuple):
    """What one call of the command line gave."""

    status: int
    result: dict[str, Any]
    errors: str


class Workspace:
    """A folder to run workflows in, whose earlier results must outlive whatever goes wrong."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.output, self.base = folder / "out", base
        self.pictures = plain_pictures(folder / "pictures")
        self._folder = folder

    def write(self, graph: Graph, name: str = "workflow") -> Path:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(graph), encoding="utf-8")
        return path

    def run(self, graph: Graph, *more: str) -> int:
        return cli.main(["run", str(self.write(graph)), "--output", str(self.output), "--json", *more])

    def told(self, graph: Graph, status: int = 0) -> dict[str, Any]:
        """The result that a run of the graph prints, which has to end with this status."""
        printed = StringIO()
        with redirect_stdout(printed):
            assert self.run(graph) == status
        return json.loads(printed.getvalue().splitlines()[-1])

    def copied(self, folder: Path) -> Workspace:
        """Another one with the same pictures and a copy of all results, in a new folder."""
        other = copy.copy(self)
        other._folder, other.output = folder, folder / "out"
        shutil.copytree(self.output, other.output)
        return other

    def files(self) -> dict[Path, bytes]:
        """All results, the run store among them, with their bytes; what is known of the code and of files isn't one."""
        known = [self.output / "run-store" / name for name in ("code", "vault", ".swept")]
        paths = (path for path in self.output.rglob("*") if path.is_file() and not {path, path.parent} & {*known})
        return {path: path.read_bytes() for path in paths}


def in_another_process(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code with the same import path as this process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False,
    )  # fmt: skip
