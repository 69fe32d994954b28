"""Inputs and outputs of nodes: links, and widgets with their options."""
# ruff: noqa: A002 - the argument names id, min, max and round are ComfyUI's.

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar


class NumberDisplay(str, Enum):
    """How a number's widget looks."""

    number = "number"
    slider = "slider"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


class Input:
    """An input without a widget, for links only."""

    io_type: str = ""

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
        """What the front end gets to know about this input."""
        return self._options


class WidgetInput(Input):
    """An input that can also be filled in on the node; ``force_input`` removes the widget."""

    def __init__(self, id: str, *, default: Any = None, force_input: bool | None = None, **common: Any) -> None:
        super().__init__(id, **common)
        self.default = default
        self.force_input = bool(force_input)
        self._options |= _given(default=default, forceInput=force_input)


class NumberInput(WidgetInput):
    """What integers and floats share; ``min`` and ``max`` are inclusive."""

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

    def __init__(
        self,
        id: str | None = None,
        *,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name or id
        self.tooltip = tooltip
        self.is_output_list = is_output_list
        """Whether the node gives a list, and nodes after it run once for each of its values."""


class SocketType:
    """A type of values passed between nodes."""

    io_type: ClassVar[str]
    Input: type[Input]
    Output: type[Output]


def Custom(io_type: str) -> type[SocketType]:  # noqa: N802 - ComfyUI's name
    """The socket type called ``io_type``, without a widget."""
    of_type = {"io_type": io_type}
    ends = {"Input": type("Input", (Input,), of_type), "Output": type("Output", (Output,), of_type)}
    return type(io_type.title(), (SocketType,), of_type | ends)


Image = Custom("IMAGE")
Mask = Custom("MASK")
Latent = Custom("LATENT")
Conditioning = Custom("CONDITIONING")
Model = Custom("MODEL")
Clip = Custom("CLIP")
Vae = Custom("VAE")
ClipVision = Custom("CLIP_VISION")
LoraModel = Custom("LORA_MODEL")


class MultiType:
    """One of several types."""

    class Input(Input):
        """A link of any of ``types``; ``io_type`` lists them, separated by commas."""

        def __init__(self, id: str, types: Sequence[type[SocketType]], **common: Any) -> None:
            super().__init__(id, **common)
            self.io_type = ",".join(dict.fromkeys(kind.io_type for kind in types))


class Int:
    """Integers."""

    io_type = "INT"

    class Input(NumberInput):
        """``control_after_generate`` adds a widget that changes the number after each run."""

        io_type = "INT"

        def __init__(self, id: str, *, control_after_generate: bool | None = None, **common: Any) -> None:
            super().__init__(id, **common)
            self._options |= _given(control_after_generate=control_after_generate)

    class Output(Output):
        io_type = "INT"


class Float:
    """Floats."""

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
    """True or false."""

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
