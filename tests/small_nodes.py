"""A handful of small nodes that really run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.headless import io
from lora_workbench.nodes.host import host

CALLS: list[str] = []
"""Names of the nodes that ran, in order."""


class Number(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        value = io.Int.Input("value", default=1, min=0, max=100)
        return io.Schema("T_Number", "Number", inputs=[value], outputs=[io.Int.Output("number")])

    @classmethod
    def execute(cls, value: int) -> io.NodeOutput:
        CALLS.append("Number")
        return io.NodeOutput(value)


class Add(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            "T_Add",
            "Add",
            inputs=[io.Int.Input("a"), io.Int.Input("b", default=0), io.Float.Input("c", optional=True)],
            outputs=[io.Int.Output("sum")],
        )

    @classmethod
    def execute(cls, a: int, b: int, c: float = 0.0) -> io.NodeOutput:
        CALLS.append("Add")
        return io.NodeOutput(a + b + int(c))


class MakeThing(io.ComfyNode):
    """Gives something that can't be written down."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            "T_MakeThing",
            "Make a thing",
            inputs=[
                io.Int.Input("seed", default=0, control_after_generate=True),
                io.Combo.Input("kind", ["red", "blue"], default="red"),
                io.String.Input("name", default="thing", multiline=True),
            ],
            outputs=[io.Custom("T_THING").Output("thing")],
        )

    @classmethod
    def execute(cls, seed: int, kind: str, name: str) -> io.NodeOutput:
        CALLS.append("MakeThing")
        return io.NodeOutput(object(), ui={"lw_report": [{"made": f"{kind} {name} {seed}", "cached": False}]})


class Save(io.ComfyNode):
    """Writes a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            "T_Save",
            "Save",
            inputs=[
                io.Custom("T_THING").Input("thing", optional=True),
                io.Int.Input("number", force_input=True, optional=True),
                io.String.Input("name", default="saved.txt"),
            ],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, name: str, thing: object = None, number: int | None = None) -> io.NodeOutput:
        CALLS.append("Save")
        path = host().output_directory() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} {type(thing).__name__} {json.dumps(host().workflow_metadata(cls))}")
        kind = "adapter" if name.endswith(".safetensors") else "report"
        return io.NodeOutput(ui={"lw_files": [{"path": str(path), "kind": kind}], "lw_report": [{"number": number}]})


class Fail(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("T_Fail", "Fail", inputs=[io.Int.Input("number")], is_output_node=True)

    @classmethod
    def execute(cls, number: int) -> io.NodeOutput:
        if number == 13:
            raise DatasetError("Thirteen.", hint="take another number.")
        raise RuntimeError("out of luck")


class Watch(io.ComfyNode):
    """Depends on a file outside the graph."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("T_Watch", "Watch", inputs=[io.String.Input("path")], outputs=[io.String.Output("text")])

    @classmethod
    def fingerprint_inputs(cls, path: str) -> str:
        return Path(path).read_text()

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return True if path is None or path.endswith(".txt") else "only .txt files can be watched"

    @classmethod
    def execute(cls, path: str) -> io.NodeOutput:
        CALLS.append("Watch")
        return io.NodeOutput(Path(path).read_text())


class Show(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("T_Show", "Show", inputs=[io.String.Input("text")], is_output_node=True)

    @classmethod
    def execute(cls, text: str) -> io.NodeOutput:
        CALLS.append("Show")
        return io.NodeOutput(ui={"text": [text]})


NODES = (Number, Add, MakeThing, Save, Fail, Watch, Show)


@pytest.fixture
def registry() -> dict[str, type[io.ComfyNode]]:
    return {node.GET_SCHEMA().node_id: node for node in NODES}


@pytest.fixture
def calls() -> list[str]:
    """Names of the nodes that ran in this test."""
    CALLS.clear()
    return CALLS


@pytest.fixture
def workflow_file(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a workflow to a file."""

    def write(data: Any) -> Path:
        path = tmp_path / "workflow.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return write
