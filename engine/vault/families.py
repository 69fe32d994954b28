"""Which family of base models an adapter is for: by what is said, and by the names and shapes of its modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]

_CALLED = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"pony[ -]?v?7|auraflow", ""),
        (r"ip2p|pix2pix", "ip2p"),
        (r"stable-diffusion-xl|sd-?xl|illustrious|noob-?ai|pony|animagine", "sdxl"),
        (r"stable-diffusion-v?3|\bsd[ -]?v?3", "sd3"),
        (r"stable-diffusion-v?2|\bsd[ -]?v?2|\bv2-[01]", "sd2"),
        (r"stable-diffusion-v?1|\bsd[ -]?v?1|\bv1-5", "sd1"),
        (r"flux[ .-]?3", "flux3"),
        (r"flux[ .-]?2", "flux2"),
        (r"krea[ .-]?2", "krea2"),
        (r"flux", "flux1"),
        (r"chroma", "chroma"),
        (r"qwen[ -]?image[ -]?2\.1", "qwen-image-2.1"),
        (r"qwen", "qwen-image"),
        (r"z[ -]?image", "z-image"),
        (r"lumina", "lumina2"),
        (r"anima(?!gine|te)", "anima"),
        (r"hidream", "hidream"),
        (r"ideogram", "ideogram4"),
        (r"ernie", "ernie-image"),
        (r"\bltxv?\b|ltx-video|ltxv", "ltx-video"),
        (r"\bwan", "wan"),
    )
)
"""What metadata, file names and sites call base models, lowercase, with hyphens for underscores; the
first that fits counts."""

_LAYERS = tuple(
    (re.compile(pattern, re.MULTILINE), family)
    for pattern, family in (
        (r"^(?:double|single)_stream_blocks_\d", "hidream"),
        (r"^(?:txt_)?mode_blocks_", "flux3"),
        (r"^joint_blocks_\d", "sd3"),
        (r"^text_fusion_|blocks_\d+_attn_(?:to_gate|w[qkvo]|gate)$", "krea2"),
        (r"^distilled_guidance_layer", "chroma"),
        (r"^single_transformer_blocks_\d+_attn_to_qkv_mlp_proj|^(?:double|single)_stream_modulation", "flux2"),
        (r"^transformer_blocks_\d+_img_mlp_(?:proj|out|gate_layer)$", "qwen-image-2.1"),
        (r"^transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)_", "qwen-image"),
        (r"^blocks_\d+_(?:self|cross)_attn_(?:[qkvo]|[kv]_img)$|^blocks_\d+_(?:ffn|attn[12])_", "wan"),
        (r"^blocks_\d+_(?:(?:self|cross)_attn_|mlp_layer\d|adaln_modulation)|^llm_adapter_", "anima"),
        (r"^layers_\d+_self_attention_", "ernie-image"),
        (r"^(?:layers|\w+_refiner)_\d+_attn_", "lumina2"),
        (r"^transformer_blocks_\d+_attn[12]_", "ltx-video"),
    )
)
"""Flat paths of the denoiser's layers that one family alone has; the first that fits counts."""
_KRONECKER = ("lokr_w1", "lokr_w1_b", "lokr_w2", "lokr_w2_b")
"""Parts of LoKr with a side of inputs: one of each matrix."""
_DEEP = re.compile(r"^\w+?_transformer_blocks_[1-9]", re.MULTILINE)
"""SDXL's UNet has several transformers in a block."""
_CROSS = re.compile(r"attn2_to_[kv]$")
_WIDTHS_OF_LAYERS = {2304: "lumina2", 3840: "z-image", 4608: "ideogram4"}
_WIDTHS_OF_PROMPTS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_FLUX2_WIDTHS = (4096, 6144)
_FLUX2_KLEIN = 27_648
"""Outputs of the first layer in a single block of FLUX.2 klein 4B, whose width is FLUX.1's."""
_SD3_WIDTHS = (1536, 2432)
_FLUX_DOUBLE_BLOCKS = 19
"""Transformers of Qwen-Image have 60 such blocks, those of FLUX at most so many."""


def family_called(text: str) -> str:
    """The family of a base model by what somebody calls it, such as ``SDXL 1.0`` or ``flux-1-dev/lora``."""
    text = text.lower().replace("_", "-")
    return next((family for pattern, family in _CALLED if pattern.search(text)), "")


def family_of_modules(modules: Mapping[str, Mapping[str, Shape]]) -> str:
    """The family that has modules of these names and sizes; empty if none is known, or several have.

    Args:
        modules: module key, as a file names it -> shapes of its parts.
    """
    denoiser = {
        key.split(".", 1)[1].replace(".", "_"): shapes for key, shapes in modules.items() if key.startswith("denoiser.")
    }
    paths = "\n".join(denoiser)
    if found := next((family for pattern, family in _LAYERS if pattern.search(paths)), ""):
        return found
    layers = _Layers(paths, denoiser, two_encoders=any(key.startswith("text_encoder_2.") for key in modules))
    return next((family(layers) for pattern, family in _OF_SEVERAL if pattern.search(paths)), "")


@dataclass(frozen=True)
class _Layers:
    """The layers of a denoiser that an adapter changes."""

    paths: str
    """Flat, one a line."""
    shapes: Mapping[str, Mapping[str, Shape]]
    """Flat path -> shapes of its parts."""
    two_encoders: bool
    """Whether the adapter changes a second text encoder."""

    def inputs(self, pattern: re.Pattern[str]) -> int:
        """Of the first layer that a pattern finds; 0 where no shape tells."""
        return next((_inputs(shapes) for path, shapes in self.shapes.items() if pattern.search(path)), 0)

    def outputs(self, pattern: re.Pattern[str]) -> int:
        """As :meth:`inputs`."""
        return next((_outputs(shapes) for path, shapes in self.shapes.items() if pattern.search(path)), 0)

    def last(self, blocks: str) -> int:
        """The highest number of a block in a list of blocks; -1 if there is none."""
        return max(map(int, re.findall(rf"^{blocks}_(\d+)_", self.paths, re.MULTILINE)), default=-1)


def _inputs(shapes: Mapping[str, Shape]) -> int:
    """Of a layer, by the shapes of LoRA's, LoHa's or LoKr's factors, or of a difference; 0 where they don't tell."""
    for part in ("down", "hada_w1_b", "difference"):
        if len(shapes.get(part, ())) > 1:
            return shapes[part][1]
    sides = [shapes[part][1] for part in _KRONECKER if len(shapes.get(part, ())) > 1]
    return prod(sides) if len(sides) == 2 else 0


def _outputs(shapes: Mapping[str, Shape]) -> int:
    return next((shapes[part][0] for part in ("up", "hada_w1_a", "difference") if shapes.get(part)), 0)


def _with_layers(layers: _Layers) -> str:
    width = layers.inputs(re.compile(r"_attention_(?:to_[qkv]|qkv)$"))
    return _WIDTHS_OF_LAYERS.get(width, "z-image")


def _with_two_blocks(layers: _Layers) -> str:
    """FLUX.1 or FLUX.2 with the names of ComfyUI and kohya, or FLUX.1 with those of diffusers."""
    width = layers.inputs(re.compile(r"_(?:linear1|qkv|to_[qkv]|add_[qkv]_proj)$"))
    klein = layers.outputs(re.compile(r"^single_blocks_\d+_linear1$")) == _FLUX2_KLEIN
    return "flux2" if width in _FLUX2_WIDTHS or klein else "flux1"


def _with_one_block(layers: _Layers) -> str:
    width = layers.inputs(re.compile(r"_attn_(?:to_[qkv]|add_[qkv]_proj)$"))
    if width in _SD3_WIDTHS:
        return "sd3"
    if width in _FLUX2_WIDTHS:
        return "flux2"
    several = layers.last("transformer_blocks") >= _FLUX_DOUBLE_BLOCKS
    return "qwen-image" if several else "flux1" if "_ff_context_" in layers.paths else ""


def _with_a_unet(layers: _Layers) -> str:
    width = layers.inputs(_CROSS)
    if layers.two_encoders or _DEEP.search(layers.paths):
        return "sdxl"
    return _WIDTHS_OF_PROMPTS.get(width, "sd1")


_OF_SEVERAL: tuple[tuple[re.Pattern[str], Callable[[_Layers], str]], ...] = (
    (re.compile(r"^(?:layers|\w+_refiner)_\d+_attention_", re.MULTILINE), _with_layers),
    (re.compile(r"^(?:double_blocks|single_blocks|single_transformer_blocks)_\d", re.MULTILINE), _with_two_blocks),
    (re.compile(r"^transformer_blocks_\d+_", re.MULTILINE), _with_one_block),
    (re.compile(r"^(?:(?:down|up|input|output)_blocks|mid_block|middle_block)_", re.MULTILINE), _with_a_unet),
)
"""Paths that several families have -> what tells these apart."""
