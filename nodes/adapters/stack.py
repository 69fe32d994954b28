"""The node *Stack*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.adapters import saved_adapters, triggers_output
from ..kit.inputs import problem
from ..kit.lora_stacks import as_stack, linked, named, named_later
from ..kit.shown import shown, tell
from ..kit.stack_rows import paths_of, remarks, stack_of, summary
from ..kit.vault import state_of
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack

EXAMPLE = "on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5, up.1=0.8 | tok fox\noff | styles/riso"


class StackRows(io.ComfyNode):
    """Stack adapters, a row for each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_Stack",
            display_name="Stack",
            category=CATEGORY,
            description="Stacks adapters, a row for each: on or off, weights for the denoiser and the text encoder, "
            "weights by block, and the trigger words that travel with it.",
            inputs=[
                io.String.Input(
                    "rows",
                    default="",
                    multiline=True,
                    placeholder=EXAMPLE,
                    tooltip="A line for each adapter: on or off | adapter | weight | text encoder's weight | block "
                    "weights | trigger phrases. Fields after the adapter may be left out.",
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="Stack to add to; its adapters come first."),
                sockets.LoraStack.Input(
                    "lora_stack", optional=True, tooltip="LoRA files stacked by another extension; added first."
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack, with the rows that are on at its end."),
                triggers_output(),
                sockets.LoraStack.Output(
                    "lora_stack",
                    tooltip="The stack as file names, for other extensions. If connected, adapters without a file in "
                    "the LoRA folders, or with block weights, are saved there.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def validate_inputs(cls, rows: str | None) -> bool | str:
        return problem(paths_of, rows)

    @classmethod
    def fingerprint_inputs(cls, rows: str | None) -> list[Any]:
        return [state_of(path) for _, path in paths_of(rows or "")]

    @classmethod
    def execute(cls, rows: str, stack: Stack | None = None, lora_stack: Any = None) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack
        from ...engine.adapters.stack_report import warnings

        below, own = as_stack(lora_stack), stack_of(paths_of(rows))
        whole = Stack((*below.entries, *(stack or Stack()).entries, *own.entries))
        names, files = named(whole) if linked(cls, "lora_stack") else (named_later(whole), [])
        entries, notes = summary(whole), [*remarks(own), *warnings(whole)]
        told = [*entries, *notes, *(f"saved for lora_stack: {file}" for file in files)]
        text = "\n".join(told) or "no adapter is on"
        tell(text)
        ui = {**shown(text=text, report={"stack": entries, "notes": notes}), **saved_adapters(files)}
        return io.NodeOutput(whole, ", ".join(whole.triggers()), names, ui=ui)
