"""``torch.compile`` of a denoiser's blocks, each on its own, adapters included."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..adapters.wrapping import Wrapped
from ..core.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from torch import nn

_VERSIONS = 64
"""Of one block's code, by shapes and layers, before torch would run the rest uncompiled."""


@contextlib.contextmanager
def compiled(blocks: Sequence[nn.Module], device: torch.device) -> Iterator[None]:
    """Within the block, these modules are compiled when they are first called, and for each new shape.

    Compiled code rounds otherwise than the same operations one by one.

    Args:
        blocks: with the adapters that are to be compiled with them.
        device: of their weights.

    Raises:
        TrainingError: nothing can be compiled on this machine.
    """
    import torch

    _check(device)
    wrapped = Wrapped()
    limits = {"recompile_limit": _VERSIONS, "accumulated_recompile_limit": _VERSIONS * len(blocks)}
    with torch._dynamo.config.patch(limits):
        for block in blocks:
            wrapped.put(block, torch.compile(block.forward))
        try:
            yield
        finally:
            wrapped.remove()
            torch.compiler.reset()


def _check(device: torch.device) -> None:
    """Refuse where torch would fail in the first step."""
    from torch.utils import _triton

    missing = ""
    if device.type == "cuda" and not _triton.has_triton():
        missing = "triton isn't installed"
    elif device.type == "cpu" and not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
        missing = "there is no C++ compiler"
    elif device.type not in ("cuda", "cpu"):
        missing = f"torch doesn't compile for {device.type}"
    if missing:
        raise TrainingError(
            f"The recipe has compile, but {missing}.",
            expected="a CUDA GPU with triton, or a CPU with a C++ compiler",
            hint="write compile = false into settings; nothing else changes.",
        )
