"""The part of ComfyUI's V3 node schema that our nodes use, with the same names and meaning.

It is limited to what the oldest supported ComfyUI has, so that a node that works here works in every version. What only
front ends read, such as ``advanced``, goes into ``extra_dict``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from .sockets import (
    Boolean,
    Clip,
    ClipVision,
    Combo,
    Conditioning,
    Custom,
    Float,
    Image,
    Input,
    Int,
    Latent,
    LoraModel,
    Mask,
    Model,
    MultiType,
    NumberDisplay,
    NumberInput,
    Output,
    SocketType,
    String,
    Vae,
    WidgetInput,
)

__all__ = [
    "Boolean",
    "Clip",
    "ClipVision",
    "Combo",
    "ComfyExtension",
    "ComfyNode",
    "Conditioning",
    "Custom",
    "Float",
    "FolderType",
    "Hidden",
    "HiddenHolder",
    "Image",
    "Input",
    "Int",
    "Latent",
    "LoraModel",
    "Mask",
    "Model",
    "MultiType",
    "NodeOutput",
    "NumberDisplay",
    "NumberInput",
    "Output",
    "Schema",
    "SocketType",
    "String",
    "Vae",
    "WidgetInput",
]


class FolderType(str, Enum):
    """Which of the host's folders a file is in."""

    input = "input"
    output = "output"
    temp = "temp"


class Hidden(str, Enum):
    """What a node can get from the executor besides its inputs."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


@dataclass(frozen=True)
class HiddenHolder:
    """The hidden values of the running node; ``None`` for those that its schema doesn't list."""

    unique_id: str | None = None
    prompt: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None


@dataclass
class Schema:
    """A node's description: its inputs, outputs and texts."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    is_input_list: bool = False
    """Whether ``execute`` gets a list for each input: all values of a link that carries several, or the only one."""
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    not_idempotent: bool = False
    accept_all_inputs: bool = False
    """Whether ``execute`` also gets inputs that aren't among ``inputs``."""

    def finalize(self) -> None:
        """Give output nodes the running graph, which they write into their files."""
        if self.is_output_node:
            self.hidden += [h for h in (Hidden.prompt, Hidden.extra_pnginfo) if h not in self.hidden]

    def validate(self) -> None:
        """Raise ``ValueError`` if two inputs or two outputs share an id."""
        for kind, ids in (("Input", [i.id for i in self.inputs]), ("Output", [o.id for o in self.outputs if o.id])):
            if len(set(ids)) != len(ids):
                raise ValueError(f"{kind} ids of {self.node_id} must be unique: {ids}")

    def object_info(self) -> dict[str, Any]:
        """The node as ComfyUI's ``/object_info`` describes it."""
        inputs: dict[str, dict[str, Any]] = {"required": {}}
        for i in self.inputs:
            inputs.setdefault("optional" if i.optional else "required", {})[i.id] = (i.io_type, i.options)
        if self.hidden:
            inputs["hidden"] = {h.name: (h.value,) for h in self.hidden}
        return {
            "input": inputs,
            "input_order": {kind: list(group) for kind, group in inputs.items()},
            "output": [o.io_type for o in self.outputs],
            "output_is_list": [o.is_output_list for o in self.outputs],
            "output_name": [o.display_name or o.io_type for o in self.outputs],
            "output_tooltips": [o.tooltip for o in self.outputs],
            "name": self.node_id,
            "display_name": self.display_name,
            "description": self.description,
            "category": self.category,
            "output_node": self.is_output_node,
            "deprecated": self.is_deprecated,
            "experimental": self.is_experimental,
            "is_input_list": self.is_input_list,
            **_UNUSED,
        }


_UNUSED = {
    "output_matchtypes": None, "python_module": "custom_nodes.lora-workbench",
    "dev_only": False, "api_node": False, "price_badge": None, "search_aliases": None, "essentials_category": None,
    "has_intermediate_output": False,
}  # fmt: skip
"""What ComfyUI also lists, for features that none of our nodes uses."""


class NodeOutput:
    """What a node returns: a value for each output, and what the front end shows."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui


class ComfyNode(ABC):
    """Base class of all nodes. Nodes are never instantiated: everything is a class method."""

    hidden: ClassVar[HiddenHolder | None] = None
    """Set while ``execute`` runs."""

    @classmethod
    @abstractmethod
    def define_schema(cls) -> Schema:
        """The node's schema, as written."""

    @classmethod
    @abstractmethod
    def execute(cls, **inputs: Any) -> NodeOutput:
        """Do the node's work."""

    @classmethod
    def validate_inputs(cls, **inputs: Any) -> bool | str:
        """``True``, or what is wrong with the inputs that are its parameters; linked ones are ``None``."""
        del inputs
        return True

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        """A value that changes when something outside the graph changes; linked inputs are ``None``."""
        del inputs
        return None

    @classmethod
    def GET_SCHEMA(cls) -> Schema:  # noqa: N802 - ComfyUI's name
        """The schema, completed and checked."""
        schema = cls.define_schema()
        schema.finalize()
        schema.validate()
        return schema

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """The node as ComfyUI's ``/object_info`` describes it."""
        return cls.GET_SCHEMA().object_info()


class ComfyExtension(ABC):
    """What an extension provides to ComfyUI."""

    async def on_load(self) -> None:
        """Called once when ComfyUI loads the extension."""
        return

    @abstractmethod
    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The node classes."""
