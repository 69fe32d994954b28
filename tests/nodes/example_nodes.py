"""Node classes that use everything the stand-in schema has, for either host's ``io``."""

from __future__ import annotations

from typing import Any


def examples(io: Any) -> list[Any]:
    """The classes, made with the ``io`` of a host."""

    class Widgets(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            return io.Schema(
                node_id="T_Widgets",
                display_name="Widgets",
                category="LoRA Workbench/training",
                description="Every widget with every option.",
                inputs=[
                    io.Int.Input("count", default=3, min=0, max=9, step=1, tooltip="How many."),
                    io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True),
                    io.Int.Input("first_seed", default=0, extra_dict={"control_after_generate": "fixed"}),
                    io.Int.Input("shown", display_mode=io.NumberDisplay.slider, optional=True),
                    io.Int.Input("linked", force_input=True, optional=True),
                    io.Float.Input("rate", default=1e-4, min=0.0, max=1.0, step=1e-5, round=1e-6, display_name="Rate"),
                    io.Float.Input("slid", default=0.5, display_mode=io.NumberDisplay.slider),
                    io.String.Input("name", default="", placeholder="a name"),
                    io.String.Input("text", default="x", multiline=True, dynamic_prompts=False, optional=True),
                    io.Boolean.Input("on", default=True, label_on="yes", label_off="no"),
                    io.Combo.Input("goal", options=["subject", "style"], default="subject", tooltip="What to teach."),
                    io.Combo.Input("file", options=[], extra_dict={"advanced": True}, optional=True),
                ],
                outputs=[
                    io.Int.Output("number", display_name="Number", tooltip="A number."),
                    io.Float.Output(display_name="Share"),
                    io.String.Output("words"),
                    io.Boolean.Output("truth"),
                    io.Combo.Output("chosen"),
                ],
            )

        @classmethod
        def execute(cls, **inputs: Any) -> Any:
            return io.NodeOutput(1, 0.5, "", True, "subject")

    class Sockets(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            kinds = (io.Image, io.Mask, io.Latent, io.Conditioning, io.Model, io.Clip, io.Vae, io.LoraModel)
            return io.Schema(
                node_id="T_Sockets",
                inputs=[
                    io.Custom("LW_STACK").Input("previous", optional=True, tooltip="Stack to add to."),
                    *(kind.Input(f"in_{kind.io_type}") for kind in kinds),
                    io.MultiType.Input("any", types=[io.Model, io.Custom("LW_STACK"), io.Model], tooltip="One of two."),
                ],
                outputs=[io.Custom("LW_STACK").Output("stack"), *(kind.Output() for kind in kinds)],
                hidden=[io.Hidden.unique_id],
                is_input_list=True,
                is_output_node=True,
                is_experimental=True,
                is_deprecated=True,
            )

        @classmethod
        def execute(cls, **inputs: Any) -> Any:
            return io.NodeOutput()

    class Bare(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            return io.Schema(node_id="T_Bare")

        @classmethod
        def execute(cls) -> Any:
            return io.NodeOutput()

    return [Widgets, Sockets, Bare]
