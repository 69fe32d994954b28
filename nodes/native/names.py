"""Where adapter files find the layers of ComfyUI's models: by ComfyUI's own tables, so that its loaders agree."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...engine.models.contract import KeyStyle
from .seam import COMFY, BaseModel

if TYPE_CHECKING:
    from torch import nn

DENOISER = "diffusion_model."
_FLUX_2 = (".attn.to_qkv_mlp_proj", ".attn.to_out", ".linear_in", ".linear_out")
"""Ends of names that ComfyUI's table has for FLUX.2 beside those of FLUX.1, for the same layers."""
_UNREAD: Mapping[str, re.Pattern[str]] = {
    "Flux2": re.compile(r"^(?:time|guidance)_in\."),
    "Ideogram4": re.compile(r"^(?!layers\.)"),
    "LTXV": re.compile(r"^(?:adaln_single|patchify_proj)\b"),
    "WAN21": re.compile(r"^patch_embedding$"),
}
"""ComfyUI's class of a model -> layers that diffusers doesn't find, or refuses the whole file for; they aren't trained,
as an adapter should be the same everywhere."""


@dataclass(frozen=True)
class Part:
    """A layer, or some rows of its output, as adapter files know it."""

    key: str
    """Module key, for example ``denoiser.transformer_blocks.0.attn.to_q``."""
    rows: slice
    shape: tuple[int, ...]
    """Of the weight's rows."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one component's layers."""

    style: KeyStyle
    layers: Mapping[str, Sequence[Part]]
    """Path of the layer inside the component -> its parts, in the order of the rows."""

    def part_shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """(module key, shape) of every part."""
        yield from ((part.key, part.shape) for parts in self.layers.values() for part in parts)


def denoiser_names(model: BaseModel) -> Names:
    """How files name the layers of ``model.diffusion_model``.

    UNets have kohya's names. Transformers have diffusers' names where ComfyUI has a table of them; it says which rows
    of a fused layer are which. Others go by ComfyUI's own paths.
    """
    unread = [_UNREAD[cls.__name__] for cls in type(model).__mro__ if cls.__name__ in _UNREAD]
    shapes = {
        path: shape
        for path, shape in _layer_shapes(model.diffusion_model).items()
        if not any(pattern.search(path) for pattern in unread)
    }
    unet = COMFY.unet_to_diffusers(model.model_config.unet_config)
    if unet:
        # ComfyUI's table has two names for an embedding's layers, in the order of a set: that of SDXL is taken.
        table = sorted(unet.items(), reverse=True)
        found = {_layer(to): [_whole(_layer(name), shapes.get(_layer(to), ()))] for name, to in table}
        return Names(style="kohya", layers={path: parts for path, parts in found.items() if path in shapes})
    # ComfyUI's table for Lumina has the names of Z-Image, which is of the same class; diffusers' Lumina has others.
    other_names = type(model).__name__ == "Lumina2" and not model.model_config.unet_config.get("z_image_modulation")
    transformer = {} if other_names else dict(_transformer_layers(model, shapes))
    if transformer:
        return Names(style="transformer", layers=transformer)
    return Names(style="native", layers={path: [_whole(path, shape)] for path, shape in shapes.items()})


def text_encoder_names(component: str, encoder: nn.Module) -> Names:
    """How files name the layers of a CLIP text encoder, the module called ``transformer`` in ComfyUI's wrapper."""
    layers = {
        path: [Part(f"{component}.{path}", slice(None), shape)]
        for path, shape in _layer_shapes(encoder).items()
        if path.startswith("text_model.encoder.layers.")
    }
    return Names(style="kohya", layers=layers)


def _layer_shapes(root: nn.Module) -> dict[str, tuple[int, ...]]:
    """Path of each linear layer and convolution -> shape of its weight. Quantized layers aren't of torch's classes."""
    kinds = ("Linear", "Conv1d", "Conv2d", "Conv3d")
    return {
        path: tuple(weight.shape)
        for path, module in root.named_modules()
        if any(kind.__name__ in kinds for kind in type(module).__mro__)
        and (weight := getattr(module, "weight", None)) is not None
    }


def _layer(name: str) -> str:
    return name.removesuffix(".weight")


def _whole(path: str, shape: tuple[int, ...]) -> Part:
    return Part(f"denoiser.{path}", slice(None), shape)


def _transformer_layers(model: BaseModel, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, list[Part]]]:
    """Layers that diffusers has too: in parts where these cover all rows, and whole otherwise."""
    whole: dict[str, list[str]] = defaultdict(list)
    cut: dict[str, dict[int, tuple[str, int]]] = defaultdict(dict)
    for name, target in COMFY.model_lora_keys_unet(model, {}).items():
        path, start, rows = _place(target)
        if name.startswith("transformer.") and path in shapes:
            name = name.removeprefix("transformer.")
            if rows is None:
                whole[path].append(name)
            else:
                cut[path][start] = (name, rows)
    flux_2 = type(model).__name__ == "Flux2"
    for path, shape in shapes.items():
        parts = [
            Part(f"denoiser.{name}", slice(start, start + rows), (rows, *shape[1:]))
            for start, (name, rows) in sorted(cut[path].items())
        ]
        if parts and _covered(parts) == shape[0]:
            yield path, parts
        elif names := [name for name in whole[path] if name.endswith(_FLUX_2) == flux_2] or (flux_2 and whole[path]):
            yield path, [_whole(names[0], shape)]


def _place(target: Any) -> tuple[str, int, int | None]:
    """(path of the layer, first row, number of rows) of an entry in ComfyUI's table; no path where rows are turned."""
    key, *rest = (target,) if isinstance(target, str) else target
    path = key.removeprefix(DENOISER)
    if not rest:
        return _layer(path), 0, None
    if len(rest) > 1 or rest[0][0] != 0:
        return "", 0, None
    return _layer(path), rest[0][1], rest[0][2]


def _covered(parts: Sequence[Part]) -> int:
    """Rows from the first on that the parts cover without a gap or an overlap."""
    end = 0
    for part in parts:
        if part.rows.start != end:
            return -1
        end = part.rows.stop
    return end
