"""What ComfyUI says of those of its own nodes that our workflows use, so that these can be checked without it.

A test marked ``comfyui`` compares this with the nodes themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from lora_workbench.headless import io

CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
ANY_LENGTH = {"min": 16, "max": 16384, "step": 8}


def stock_nodes() -> dict[str, type[io.ComfyNode]]:
    """The nodes by id."""
    seed = io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True)
    sampler, scheduler = (
        io.Combo.Input("sampler_name", options=["euler", "dpmpp_2m"]),
        io.Combo.Input("scheduler", options=["simple", "sgm_uniform", "normal", "karras"]),
    )
    model, clip, vae = io.Model.Input("model"), io.Clip.Input("clip"), io.Vae.Input("vae")
    conditioning = [io.Conditioning.Input(name) for name in ("positive", "negative")]
    numbers = [
        io.Int.Input("steps", default=20, min=1, max=10000),
        io.Float.Input("cfg", default=8.0, min=0.0, max=100.0, step=0.1),
    ]
    strength = io.Float.Input("denoise", default=1.0, min=0.0, max=1.0, step=0.01)
    sides = [io.Int.Input(name, default=512, **ANY_LENGTH) for name in ("width", "height")]
    found = [
        _node(
            "CheckpointLoaderSimple",
            [io.Combo.Input("ckpt_name", options=[CHECKPOINT])],
            [io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        ),
        _node("CLIPTextEncode", [io.String.Input("text", multiline=True), clip], [io.Conditioning.Output()]),
        _node("EmptyLatentImage", [*sides, io.Int.Input("batch_size", default=1, min=1, max=4096)], [_latent()]),
        _node(
            "KSampler",
            [model, seed, *numbers, sampler, scheduler, *conditioning, io.Latent.Input("latent_image"), strength],
            [_latent()],
        ),
        _node("VAEDecode", [io.Latent.Input("samples"), vae], [io.Image.Output()]),
        _node(
            "SaveImage",
            [io.Image.Input("images"), io.String.Input("filename_prefix", default="ComfyUI")],
            [io.Image.Output(display_name="images")],
            saves=True,
        ),
    ]
    return {node.GET_SCHEMA().node_id: node for node in found}


def _latent() -> io.Output:
    return io.Latent.Output()


def _node(
    node_id: str, inputs: Sequence[io.Input], outputs: Sequence[io.Output], *, saves: bool = False
) -> type[io.ComfyNode]:
    class StockNode(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(node_id=node_id, inputs=list(inputs), outputs=list(outputs), is_output_node=saves)

    return StockNode
