"""A node's code is what it computes with: not what people read, nor what other nodes import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.headless.code_identity import ProjectCode
from lora_workbench.nodes import NODES

FILES = {
    "__init__.py": "",
    "engine/__init__.py": "",
    "engine/core.py": """
import typing
if typing.TYPE_CHECKING:
    A = 1
else:
    A = 2
def double(x):
    return 2 * x
""",
    "engine/families/__init__.py": "from . import one\n",
    "engine/families/one.py": "NAME = 1\n",
    "engine/families/registry.py": "def load():\n    return 1\n",
    "engine/middle.py": 'from .core import double\n\n\ndef twice(x):\n    """Docs."""\n    return double(x)  # why\n',
    "engine/unrelated.py": "A = 1\n",
    "engine/typed.py": "B = 1\n",
    "client.py": "B = 3\n",
    "headless/__init__.py": "",
    "headless/run.py": "C = 1\n",
    "nodes/__init__.py": "from .node import Node\n",
    "nodes/node.py": """
from typing import TYPE_CHECKING
from ..headless import run
if TYPE_CHECKING:
    from ..engine.typed import B
else:
    from ..client import B
class Node:
    "A node."
    @classmethod
    def define_schema(cls):
        return Schema(inputs=[Input("x", tooltip="Old words.")])
    @classmethod
    def execute(cls, x):
        from ..engine.middle import twice
        from ..engine.families.registry import load
        raise_for(x, hint="old words")
        return twice(x) + load()
""",
}


def identity(folder: Path, **changed: tuple[str, str]) -> str:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, (old, new) in changed.items():
        path = folder / f"{name.replace('__', '/')}.py"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    return ProjectCode(folder).identity("nodes.node")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nodes__node", "Old words", "New words"),
        ("nodes__node", "old words", "new words"),
        ("nodes__node", "A node.", "Another text."),
        ("engine__middle", "Docs.", "Better docs."),
        ("engine__middle", "# why", "# because"),
        ("engine__unrelated", "A = 1", "A = 2"),
        ("engine__typed", "B = 1", "B = 2"),
        ("engine__core", "A = 1", "A = 4"),
        ("headless__run", "C = 1", "C = 2"),
    ],
)
def test_what_is_only_read_or_not_used_does_not_count(name: str, old: str, new: str, tmp_path: Path) -> None:
    before, after = identity(tmp_path / "a"), identity(tmp_path / "b", **{name: (old, new)})
    assert before == after


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nodes__node", "twice(x) + load()", "twice(x) - load()"),
        ("engine__middle", "double(x)", "double(x) + 1"),
        ("engine__core", "2 * x", "3 * x"),
        ("engine__core", "A = 2", "A = 3"),
        ("engine__families__one", "NAME = 1", "NAME = 2"),
        ("client", "B = 3", "B = 4"),
    ],
)
def test_what_is_computed_with_counts(name: str, old: str, new: str, tmp_path: Path) -> None:
    before, after = identity(tmp_path / "a"), identity(tmp_path / "b", **{name: (old, new)})
    assert before != after


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What a process has found out about the package in ``tmp_path / "a"``."""
    identity(tmp_path / "a")
    code = ProjectCode(tmp_path / "a", kept=tmp_path / "kept.json")
    code.identity("nodes.node")
    code.keep()
    return tmp_path / "kept.json"


def test_what_an_earlier_process_found_is_used_for_unchanged_files(kept: Path, tmp_path: Path) -> None:
    entry = json.loads(kept.read_text())
    path = str(tmp_path / "a" / "engine" / "core.py")
    entry["sources"][path][2] = "found earlier"
    kept.write_text(json.dumps(entry))
    code = ProjectCode(tmp_path / "a", kept=kept)
    assert code.digests("nodes.node")["engine/core.py"] == "found earlier"
    Path(path).write_text("def double(x):\n    return 4 * x\n")
    changed = ProjectCode(tmp_path / "a", kept=kept).identity("nodes.node")
    assert changed == ProjectCode(tmp_path / "a").identity("nodes.node")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"reader": "other", "sources": {"x": 1}}'])
def test_what_cannot_be_used_is_found_again(text: str, kept: Path, tmp_path: Path) -> None:
    before = kept.read_text()
    kept.write_text(text)
    code = ProjectCode(tmp_path / "a", kept=kept)
    assert code.identity("nodes.node") == ProjectCode(tmp_path / "a").identity("nodes.node")
    code.keep()
    assert kept.read_text() == before


def test_a_module_that_became_a_package_is_found_again(kept: Path, tmp_path: Path) -> None:
    engine = tmp_path / "a" / "engine"
    (engine / "middle").mkdir()
    (engine / "middle.py").rename(engine / "middle" / "__init__.py")
    assert "engine/middle/__init__.py" in ProjectCode(tmp_path / "a", kept=kept).digests("nodes.node")


def test_a_change_of_the_training_leaves_data_sets_alone(root: Path) -> None:
    """By the files that each node's code really reaches."""
    code, reached = ProjectCode(root), {}
    for node in NODES:
        reached[node.GET_SCHEMA().node_id] = code.digests(node.__module__.removeprefix("lora_workbench."))
    assert "engine/training/loop.py" in reached["LW_TrainLoRA"]
    assert "engine/models/families/sd1.py" in reached["LW_LoadBase"]
    for name in ("LW_LoadDataset", "LW_InspectDataset", "LW_TriggerCaptions", "LW_SaveDataset"):
        assert not [path for path in reached[name] if path.startswith(("engine/training", "engine/models"))], name
