"""The node *Prompt*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.adapters import triggers_output
from ..kit.inputs import problem
from ..kit.shown import shown, tell
from ..kit.tagged_prompts import read_prompts, stack_of_tags
from ..kit.vault import state_of
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack


class Prompt(io.ComfyNode):
    """Put the trigger words of a stack into prompts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        from ...engine.generation.trigger_words import PLACEMENTS

        return io.Schema(
            node_id="LW_Prompt",
            display_name="Prompt",
            category=CATEGORY,
            description="Puts the trigger words of a stack into prompts that don't have them yet, and adds adapters "
            "that prompts name, as in <lora:fox:0.8>, to the stack.",
            inputs=[
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    placeholder="{trigger:fox} on a hill, in {trigger:riso}\n<lora:fox:0.8> asleep under a tree",
                    tooltip="One prompt a line. {triggers} stands for all trigger words, {trigger:fox} for those of "
                    "one adapter; <lora:fox:0.8:0.6:lbw=MIDD> adds an adapter.",
                ),
                io.Combo.Input(
                    "placement",
                    options=list(PLACEMENTS),
                    default="start",
                    tooltip="Where trigger words go in prompts without {triggers}.",
                ),
                sockets.Stack.Input(
                    "stack", optional=True, tooltip="Adapters, with the trigger words that are on for each."
                ),
            ],
            outputs=[
                io.String.Output("prompt", tooltip="The prompts, without tags and with trigger words."),
                sockets.Stack.Output("stack", tooltip="The stack, with the adapters that the prompts name at its end."),
                triggers_output(),
            ],
        )

    @classmethod
    def validate_inputs(cls, prompt: str | None) -> bool | str:
        return problem(read_prompts, prompt)

    @classmethod
    def fingerprint_inputs(cls, prompt: str | None, **_: Any) -> list[Any]:
        return [state_of(path) for _, path in read_prompts(prompt or "").rows]

    @classmethod
    def execute(cls, prompt: str, placement: str, stack: Stack | None = None) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack
        from ...engine.adapters.stack_report import warnings
        from ...engine.generation.trigger_words import place_triggers

        read = read_prompts(prompt)
        added = stack_of_tags(read)
        whole = Stack((*(stack or Stack()).entries, *added.entries))
        placed = place_triggers(read.prompts, whole, placement)
        told = [*read.remarks(), *warnings(whole)]
        if placed.left_out:
            told.append(f"Without a place in some prompt: {', '.join(placed.left_out)}. Write {{triggers}} there.")
        text = "\n".join([*placed.prompts, *told])
        tell(text)
        ui = shown(text=text, report={"prompts": list(placed.prompts), "notes": told})
        return io.NodeOutput("\n".join(placed.prompts), whole, ", ".join(whole.triggers()), ui=ui)
