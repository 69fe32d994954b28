"""The part of ComfyUI's V3 node schema that our nodes use, under the same names and with the same meaning.

Only what every ComfyUI from 0.8.0 on understands is here, so that a node written against this stand-in works in all
of them: ``advanced`` inputs, for example, are asked for with ``extra_dict={"advanced": True}``.
"""
# ruff: noqa: A002 - the argument names id, min, max and round are ComfyUI's.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar


class FolderType(str, Enum):
    """Which of the host's folders a file lies in."""

    input = "input"
    output = "output"
    temp = "temp"


class NumberDisplay(str, Enum):
    """How a number's widget looks."""

    number = "number"
    slider = "slider"


class Hidden(str, Enum):
    """What a node can ask of the executor besides its inputs."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


@dataclass(frozen=True)
class HiddenHolder:
    """The hidden values of the node that is running; ``None`` for those that its schema doesn't ask for."""

    unique_id: str | None = None
    prompt: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


class Input:
    """An input without a widget: it can only be linked."""

    io_type: ClassVar[str] = ""

    def __init__(
        self,
        id: str,
        *,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        extra_dict: dict[str, Any] | None = None,
    ) -> None:
        self.id = id
        self.optional = optional
        self._options = _given(display_name=display_name, tooltip=tooltip) | _given(**(extra_dict or {}))

    @property
    def options(self) -> dict[str, Any]:
        """What the front end is told about this input."""
        return self._options


class WidgetInput(Input):
    """An input that the user can also fill in on the node; ``force_input`` takes the widget away."""

    def __init__(self, id: str, *, default: Any = None, force_input: bool | None = None, **common: Any) -> None:
        super().__init__(id, **common)
        self.default = default
        self.force_input = bool(force_input)
        self._options |= _given(default=default, forceInput=force_input)


class NumberInput(WidgetInput):
    """What whole numbers and decimal numbers share; ``min`` and ``max`` belong to the range."""

    def __init__(
        self,
        id: str,
        *,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
        display_mode: NumberDisplay | None = None,
        **common: Any,
    ) -> None:
        super().__init__(id, **common)
        self.min, self.max = min, max
        self._options |= _given(min=min, max=max, step=step, display=display_mode and display_mode.value)


class Output:
    """An output socket."""

    io_type: ClassVar[str] = ""

    def __init__(self, id: str | None = None, *, display_name: str | None = None, tooltip: str | None = None) -> None:
        self.id = id
        self.display_name = display_name or id
        self.tooltip = tooltip


class SocketType:
    """A type of values that flow between nodes."""

    io_type: ClassVar[str]
    Input: type[Input]
    Output: type[Output]


def Custom(io_type: str) -> type[SocketType]:  # noqa: N802 - ComfyUI's name
    """The socket type called ``io_type``, without a widget."""
    return _with_type(type(io_type.title(), (SocketType,), {"Input": Input, "Output": Output}), io_type)


def _with_type(socket: type[SocketType], io_type: str) -> type[SocketType]:
    socket.io_type = io_type
    socket.Input = type("Input", (socket.Input,), {"io_type": io_type})
    socket.Output = type("Output", (socket.Output,), {"io_type": io_type})
    return socket


Image = Custom("IMAGE")
Mask = Custom("MASK")
Latent = Custom("LATENT")
Conditioning = Custom("CONDITIONING")
Model = Custom("MODEL")
Clip = Custom("CLIP")
Vae = Custom("VAE")
LoraModel = Custom("LORA_MODEL")


class Int:
    """Whole numbers."""

    io_type = "INT"

    class Input(NumberInput):
        """With ``control_after_generate`` the front end adds a widget that changes the number after each run."""

        io_type = "INT"

        def __init__(self, id: str, *, control_after_generate: bool | None = None, **common: Any) -> None:
            super().__init__(id, **common)
            self._options |= _given(control_after_generate=control_after_generate)

    class Output(Output):
        io_type = "INT"


class Float:
    """Decimal numbers."""

    io_type = "FLOAT"

    class Input(NumberInput):
        io_type = "FLOAT"

        def __init__(self, id: str, *, round: float | None = None, **common: Any) -> None:
            super().__init__(id, **common)
            self._options |= _given(round=round)

    class Output(Output):
        io_type = "FLOAT"


class String:
    """Text."""

    io_type = "STRING"

    class Input(WidgetInput):
        io_type = "STRING"

        def __init__(
            self,
            id: str,
            *,
            multiline: bool = False,
            placeholder: str | None = None,
            dynamic_prompts: bool | None = None,
            **common: Any,
        ) -> None:
            super().__init__(id, **common)
            self._options |= _given(multiline=multiline, placeholder=placeholder, dynamicPrompts=dynamic_prompts)

    class Output(Output):
        io_type = "STRING"


class Boolean:
    """Yes or no."""

    io_type = "BOOLEAN"

    class Input(WidgetInput):
        io_type = "BOOLEAN"

        def __init__(
            self, id: str, *, label_on: str | None = None, label_off: str | None = None, **common: Any
        ) -> None:
            super().__init__(id, **common)
            self._options |= _given(label_on=label_on, label_off=label_off)

    class Output(Output):
        io_type = "BOOLEAN"


class Combo:
    """One of several texts."""

    io_type = "COMBO"

    class Input(WidgetInput):
        io_type = "COMBO"

        def __init__(self, id: str, options: Sequence[str], **common: Any) -> None:
            super().__init__(id, **common)
            self.choices = list(options)
            self._options |= {"multiselect": False, "options": self.choices}

    class Output(Output):
        io_type = "COMBO"


@dataclass
class Schema:
    """What a node is."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    description: str = ""
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    not_idempotent: bool = False

    def finalize(self) -> None:
        """Output nodes always get the graph that runs, as they write it into their files."""
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
            "output_is_list": [False] * len(self.outputs),
            "output_name": [o.display_name or o.io_type for o in self.outputs],
            "output_tooltips": [o.tooltip for o in self.outputs],
            "name": self.node_id,
            "display_name": self.display_name,
            "description": self.description,
            "category": self.category,
            "output_node": self.is_output_node,
            "deprecated": self.is_deprecated,
            "experimental": self.is_experimental,
            **_UNUSED,
        }


_UNUSED = {
    "is_input_list": False, "output_matchtypes": None, "python_module": "custom_nodes.lora-workbench",
    "dev_only": False, "api_node": False, "price_badge": None, "search_aliases": None, "essentials_category": None,
    "has_intermediate_output": False,
}  # fmt: skip
"""What ComfyUI also tells, for features that no node of ours uses."""


class NodeOutput:
    """What a node gives back: a value for each output, and what the front end shows."""

    def __init__(self, *args: Any, ui: Any = None) -> None:
        self.args = args
        self.ui = ui


class ComfyNode(ABC):
    """Base class of all nodes. Nodes have no instances: everything is a class method."""

    hidden: ClassVar[HiddenHolder | None] = None
    """Filled in while ``execute`` runs."""

    @classmethod
    @abstractmethod
    def define_schema(cls) -> Schema:
        """What the node is."""

    @classmethod
    @abstractmethod
    def execute(cls, **inputs: Any) -> NodeOutput:
        """Do the node's work."""

    @classmethod
    def validate_inputs(cls, **inputs: Any) -> bool | str:
        """``True``, or what is wrong with the inputs that it names as parameters; linked ones are ``None``."""
        del inputs
        return True

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> Any:
        """A value that changes when something outside the graph does; linked inputs are ``None``."""
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
    """What an extension gives to ComfyUI."""

    async def on_load(self) -> None:
        """Called once when ComfyUI loads the extension."""
        return

    @abstractmethod
    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The node classes."""
