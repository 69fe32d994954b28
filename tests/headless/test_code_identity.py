"""A node's code is what it computes with: not what people read, nor what other nodes import."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.headless.code_identity import code_identity, files_reached
from lora_workbench.nodes import NODES

FILES = {
    "__init__.py": "",
    "engine/__init__.py": "",
    "engine/core.py": "def double(x):\n    return 2 * x\n",
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
    return code_identity("nodes.node", folder)


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
        ("engine__families__one", "NAME = 1", "NAME = 2"),
        ("client", "B = 3", "B = 4"),
    ],
)
def test_what_is_computed_with_counts(name: str, old: str, new: str, tmp_path: Path) -> None:
    before, after = identity(tmp_path / "a"), identity(tmp_path / "b", **{name: (old, new)})
    assert before != after


def test_a_change_of_the_training_leaves_data_sets_alone(root: Path) -> None:
    """By the files that each node's code really reaches."""
    reached = {}
    for node in NODES:
        files = files_reached(node.__module__.removeprefix("lora_workbench."), root)
        reached[node.GET_SCHEMA().node_id] = {path.relative_to(root).as_posix() for path in files}
    assert "engine/training/loop.py" in reached["LW_TrainLoRA"]
    assert "engine/models/sd1.py" in reached["LW_LoadBase"]
    for name in ("LW_LoadDataset", "LW_InspectDataset", "LW_TriggerCaptions", "LW_SaveDataset"):
        assert not [path for path in reached[name] if path.startswith(("engine/training", "engine/models"))], name
