"""The blocks of a denoiser: the parts that it repeats, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

_LAYERS = 2
"""Linear layers and convolutions that a block has at least. Entries of feed-forward layers have one."""


def blocks_of(denoiser: nn.Module) -> dict[str, nn.Module]:
    """Path -> block, in the model's order.

    A block is an entry of a list of modules with several layers and a norm of its own, which holds no such entry
    itself: a transformer block, or a residual block of a UNet. This holds for diffusers' models as for ComfyUI's.
    """
    found = dict(_entries(denoiser))
    paths = sorted(found)
    outer = {a for a, b in pairwise(paths) if b.startswith(f"{a}.")}
    return {path: module for path, module in found.items() if path not in outer}


def _entries(denoiser: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    import torch

    for path, module in denoiser.named_modules():
        if isinstance(module, (torch.nn.ModuleList, torch.nn.Sequential)):
            yield from ((f"{path}.{name}", entry) for name, entry in module.named_children() if _is_block(entry))


def _is_block(entry: nn.Module) -> bool:
    modules = list(entry.modules())
    layers = sum(map(_is_layer, modules))
    return layers >= _LAYERS and any("norm" in type(m).__name__.lower() for m in modules)


def _is_layer(module: nn.Module) -> bool:
    """Whether it has a matrix or a kernel. Quantized layers tell its shape, and would unpack it."""
    shape = getattr(module, "weight_shape", None)
    if shape is None:
        shape = getattr(getattr(module, "weight", None), "shape", ())
    return len(shape) > 1
