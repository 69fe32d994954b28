"""Adapters with the names that some program gives their layers; what they change stays the same.

Programs name a denoiser's layers by one of two codes: diffusers', or the one that the model was published in, which is
ComfyUI's. Kohya's trainer has the first for UNets and the second for transformers, with underscores for dots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from ..core.errors import AdapterError
from ..core.words import first_of
from .adapter import Adapter
from .applying import CarriesStacks
from .binding import HasComponents
from .fused import bind_to, places
from .kinds import LowRank, Update
from .kinds.summing import bias_change, whole
from .ldm_names import ldm_names
from .names import KeyStyle

Naming = Literal["as it is", "kohya", "diffusers", "ComfyUI"]
NAMINGS: Mapping[Naming, str] = {
    "as it is": "as its family's files usually are, or as it was loaded",
    "kohya": "lora_unet_…, which sd-scripts, A1111, ComfyUI and diffusers read",
    "diffusers": "unet.… or transformer.… with lora_A and lora_B, as diffusers and peft write them",
    "ComfyUI": "diffusion_model.…, with ComfyUI's own names of layers",
}
"""Names of layers -> in words."""
_TRANSFORMER = "transformer_blocks"
_ORIGINAL = ("input_blocks", "middle_block", "output_blocks", "double_blocks", "single_blocks")
_Place: TypeAlias = tuple[str, slice]
"""Layer key in ComfyUI, and its output rows."""


def renamed(adapter: Adapter, naming: Naming, base: HasComponents | None = None) -> Adapter:
    """The adapter with other names for its layers.

    Args:
        adapter: of any kind.
        naming: any of :data:`NAMINGS`.
        base: the base model that it is for, where names can't be told from one another: to get the dots back that
            kohya's names lost, or to get at ComfyUI's names.

    Raises:
        AdapterError: the base model is needed and missing, doesn't know these names, or a layer can't be renamed.
    """
    if naming == "as it is":
        return adapter
    adapter = bind_to(base, adapter) if base else adapter
    transformer = _of_transformer(adapter)
    if naming == "diffusers":
        _refuse_unknown_paths(adapter)
        return _with(adapter, "transformer" if transformer else "unet", adapter.modules)
    if naming == "kohya" and not transformer:
        return _with(adapter, "kohya", adapter.modules)
    modules = _as_in_comfyui(adapter, naming, base)
    return replace(_with(adapter, "kohya" if naming == "kohya" else "native", modules), bound=False)


def unread(adapter: Adapter, naming: Naming) -> str:
    """What programs that read these names leave out of the adapter, in words; empty if nothing."""
    others = sorted({update.kind for update in adapter.modules.values()} - {"lora"})
    if naming != "diffusers" or not others:
        return ""
    return f"diffusers reads LoRAs alone: for it, turn {' and '.join(others)} into a plain LoRA."


def _with(adapter: Adapter, style: KeyStyle, modules: Mapping[str, Update]) -> Adapter:
    """Its file is another one now, so that it has none."""
    return replace(adapter, key_style=style, modules=modules, path=None)


def _of_transformer(adapter: Adapter) -> bool:
    """Whether its denoiser's layers have diffusers' names of a transformer."""
    return adapter.key_style == "transformer" or any(_path(key).startswith(_TRANSFORMER) for key in adapter.modules)


def _path(key: str) -> str:
    return key.removeprefix("denoiser.")


def _refuse_unknown_paths(adapter: Adapter) -> None:
    """Diffusers' names need dots, which kohya's have lost, and are those of diffusers."""
    dotted = adapter.bound or any("." in key.split(".", 1)[1] for key in adapter.modules)
    if not dotted or any(_path(key).startswith(_ORIGINAL) for key in adapter.modules):
        raise AdapterError(
            f"Diffusers' names of the layers of {adapter.name} don't follow from those in its file, such as "
            f"{next(iter(adapter.modules))}.",
            expected="the base model that it is for, which has these layers",
            hint="connect it to the input base, or name it with --base.",
        )


def _as_in_comfyui(adapter: Adapter, naming: Naming, base: HasComponents | None) -> dict[str, Update]:
    """Its updates by ComfyUI's layers; those of parts of one layer are joined."""
    if adapter.key_style == "native" or all(_path(key).startswith(_ORIGINAL) for key in adapter.modules if _own(key)):
        return dict(adapter.modules)
    layers = _layers(base)
    if missing := [key for key in adapter.modules if _own(key) and key not in layers]:
        raise AdapterError(
            f"ComfyUI's names of the layers of {adapter.name} aren't known here, such as of {missing[0]}.",
            expected="the base model that it is for: one with a UNet, or of any family in ComfyUI",
            hint=f"in ComfyUI, connect Base Model from ComfyUI to the input base; or choose other names than {naming}.",
        )
    found: dict[str, list[tuple[slice, Update]]] = defaultdict(list)
    for key, update in adapter.modules.items():
        layer, rows = layers.get(key, (key, slice(None)))
        found[layer].append((rows, update))
    heights: dict[str, int] = defaultdict(int)
    for layer, rows in layers.values():
        heights[layer] = max(heights[layer], rows.stop or 0)
    return {layer: _one(layer, pieces, heights[layer]) for layer, pieces in found.items()}


def _own(key: str) -> bool:
    return key.startswith("denoiser.")


def _layers(base: HasComponents | None) -> dict[str, _Place]:
    """Module key in our files -> its place in ComfyUI; none where that isn't known."""
    if base is None:
        return {}
    if isinstance(base, CarriesStacks):  # ComfyUI has loaded it
        return {part: (layer, rows) for layer, parts in places(base).items() for part, rows in parts}
    paths = [_path(key) for key in base.module_shapes() if _own(key)]
    return {f"denoiser.{path}": (f"denoiser.{name}", slice(None)) for path, name in ldm_names(paths).items()}


def _one(layer: str, pieces: Sequence[tuple[slice, Update]], rows: int) -> Update:
    """The update of a layer, from those of its parts.

    Raises:
        AdapterError: there are several, and they aren't LoRAs.
    """
    if len(pieces) == 1 and pieces[0][0] in (slice(None), slice(0, rows)):
        return pieces[0][1]
    plain = [(at, update) for at, update in pieces if isinstance(update, LowRank)]
    if len(plain) < len(pieces) or any(bias_change([(update, 1.0)]) is not None for _, update in pieces):
        kinds = sorted({update.kind for _, update in pieces})
        raise AdapterError(
            f"{layer} is one layer in ComfyUI and {len(pieces)} in the file, of kind {first_of(kinds)}.",
            expected="LoRAs without biases, which can be joined",
            hint="save it as a plain LoRA first.",
        )
    down, up = whole(plain, rows)
    return LowRank(down, up, alpha=float(len(down)))
