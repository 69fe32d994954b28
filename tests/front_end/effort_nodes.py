"""What ComfyUI 0.33.0 says of those of its own nodes that the stock ways of docs/effort.md use, or find in the search
before those that they use."""

from __future__ import annotations

from collections.abc import Sequence

from lora_workbench.headless import io

LORA = io.Custom("LORA_MODEL")
STRENGTH = {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}


def effort_nodes(adapters: Sequence[str], folders: Sequence[str]) -> list[type[io.ComfyNode]]:
    """The nodes.

    Args:
        adapters: names of the adapter files.
        folders: names of the folders below the input folder.
    """
    model, clip, text = io.Model.Input("model"), io.Clip.Input("clip"), {"multiline": True}
    strength = io.Float.Input("strength_model", **STRENGTH)
    name = io.Combo.Input("lora_name", options=list(adapters))
    folder = io.Combo.Input("folder", options=list(folders))
    latents, positive = io.Latent.Input("latents"), io.Conditioning.Input("positive")
    images, texts = io.Image.Input("images"), io.String.Input("texts", force_input=True)
    return [
        _node(
            "LoraLoader",
            "Load LoRA (Model and CLIP)",
            [model, clip, name, strength, io.Float.Input("strength_clip", **STRENGTH)],
            [io.Model.Output(), io.Clip.Output()],
        ),
        _node("LoraLoaderModelOnly", "Load LoRA", [model, name, strength], [io.Model.Output()]),
        _node("LoraModelLoader", "Load LoRA Model", [model, LORA.Input("lora"), strength], [io.Model.Output()]),
        _node("ImageGrid", "Make Image Grid", [images], [io.Image.Output()]),
        _node(
            "LoadImageTextDataSetFromFolder",
            "Load Image-Text (from Folder)",
            [folder],
            [io.Image.Output(display_name="images"), io.String.Output(display_name="texts")],
        ),
        _node("SaveImageTextDataSetToFolder", "Save Image-Text (to Folder)", [images, texts], [], saves=True),
        _node(
            "MakeTrainingDataset",
            "Make Training Dataset",
            [images, io.Vae.Input("vae"), clip, io.String.Input("texts", optional=True, force_input=True)],
            [io.Latent.Output(display_name="latents"), io.Conditioning.Output(display_name="conditioning")],
        ),
        _node(
            "TrainLoraNode",
            "Train LoRA",
            [model, latents, positive, io.Int.Input("steps", default=16, min=1, max=100000)],
            [LORA.Output(display_name="lora"), io.Custom("LOSS_MAP").Output(), io.Int.Output(display_name="steps")],
        ),
        _node(
            "SaveLoRA",
            "Save LoRA Weights",
            [LORA.Input("lora"), io.String.Input("prefix", default="loras/ComfyUI_trained_lora")],
            [],
            saves=True,
        ),
        _node(
            "StringReplace",
            "Replace Text",
            [io.String.Input(name, **text) for name in ("string", "find", "replace")],
            [io.String.Output()],
        ),
    ]


def _node(
    node_id: str, title: str, inputs: Sequence[io.Input], outputs: Sequence[io.Output], *, saves: bool = False
) -> type[io.ComfyNode]:
    class StockNode(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id=node_id, display_name=title, inputs=list(inputs), outputs=list(outputs), is_output_node=saves
            )

    return StockNode
