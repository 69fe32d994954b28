"""The node *Prompt Matrix*."""

from __future__ import annotations

from typing import Any

from ...engine.core.words import counted
from ..host import host, io
from ..kit.files import stamp_of
from ..kit.inputs import lines, seed_input
from ..kit.shown import shown, tell
from . import CATEGORY

ALL, RANDOM = "all combinations", "random"
SHOWN = 20
"""Prompts that the node shows."""


class PromptMatrix(io.ComfyNode):
    """Make prompts of templates."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PromptMatrix",
            display_name="Prompt Matrix",
            category=CATEGORY,
            description="Makes prompts of templates with choices {a|b}, wildcards __name__ and variables ${name}, in "
            "all combinations or at random.",
            inputs=[
                io.String.Input(
                    "templates",
                    default="a photo of a {red|blue} {car|boat}",
                    multiline=True,
                    tooltip="One template a line: {a|b} is one of both, {2$$a|b|c} two of them, __color__ a value of a "
                    "list or wildcard file.",
                ),
                io.String.Input(
                    "lists",
                    default="",
                    multiline=True,
                    tooltip="Lists for __name__, one a line, such as color: red, green, blue. Files of a wildcards "
                    "folder work too.",
                ),
                io.Combo.Input(
                    "mode",
                    options=[ALL, RANDOM],
                    default=ALL,
                    tooltip="All combinations of each template, or some of them drawn at random.",
                ),
                io.Int.Input(
                    "count", default=10, min=1, max=10_000, tooltip="Prompts of each template in random mode."
                ),
                seed_input(tooltip="Seed of random mode. The same seed draws the same prompts."),
            ],
            outputs=[
                io.String.Output("prompts", tooltip="One prompt a line, for Generate, Generate Batch or Sweep."),
                io.Int.Output("count", tooltip="Number of prompts that were made."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> list[str]:
        """Files that templates may name."""
        return [stamp_of(root) for root in host().wildcard_roots() if root.is_dir()]

    @classmethod
    def execute(cls, templates: str, lists: str, mode: str, count: int, seed: int) -> io.NodeOutput:
        from ...engine.core.errors import ConfigError
        from ...engine.generation.prompts import all_prompts, random_prompts, read_lists

        wanted, roots, named = lines(templates), host().wildcard_roots(), read_lists(lists)
        if not wanted:
            raise ConfigError("There is no template.", expected="at least one", hint="write one a line.")
        if mode == ALL:
            prompts = all_prompts(wanted, named, roots)
        else:
            prompts = random_prompts(wanted, count, seed, named, roots)
        more = [f"and {len(prompts) - SHOWN} more"] if len(prompts) > SHOWN else []
        text = "\n".join([counted(len(prompts), "prompt"), *prompts[:SHOWN], *more])
        tell(counted(len(prompts), "prompt"))
        return io.NodeOutput("\n".join(prompts), len(prompts), ui=shown(text=text, report={"count": len(prompts)}))
