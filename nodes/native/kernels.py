"""ComfyUI's fused kernels, which have no gradients, in plain torch while something is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .seam import kernels


@contextlib.contextmanager
def differentiable_kernels() -> Iterator[None]:
    """Inside the block, rotary embeddings are computed by torch's own operations.

    ComfyUI does so itself for most families while it trains, but not for Anima, ERNIE-Image and others whose kernels
    are newer.
    """
    found = kernels()
    if found is None:
        yield
        return
    fused, plain = found
    names = [name for name in vars(plain) if "rope" in name and not name.startswith("_") and hasattr(fused, name)]
    before = {name: getattr(fused, name) for name in names}
    for name in names:
        setattr(fused, name, getattr(plain, name))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(fused, name, function)
