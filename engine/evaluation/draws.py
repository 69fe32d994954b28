"""The noise and noise levels at which a picture is measured: always the same ones, so that only the adapter differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.seeds import derived_seed

if TYPE_CHECKING:
    from torch import Tensor

BANDS = 4
"""Equal parts of the noise levels from 0 to 1, in which losses are told apart."""
SIGNS = 2
"""Each noise is used as it is and negated."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """N = ``BANDS`` * draws * ``SIGNS`` noisy versions of one picture, by band."""

    levels: Tensor
    """u in (0, 1), (N,), float32, rising."""
    noise: Tensor
    """(N, C, h, w), float32; every second one is the one before, negated."""

    @staticmethod
    def of(shape: Sequence[int], content_hash: str, *, seed: int, count: int) -> Draws:
        """Those of a picture.

        Levels are the same for all pictures, evenly spaced, so that no picture has easier ones; noise follows from the
        picture, not from its place. Negated noise cancels what is odd in it (antithetic variates), which is most of the
        difference between two noises.

        Args:
            shape: of the latent, (C, h, w).
            content_hash: of the picture.
            seed: of the run.
            count: draws in each band.
        """
        import torch

        generator = torch.Generator().manual_seed(derived_seed(seed, "measures", content_hash))
        one = torch.randn(BANDS * count, *shape, generator=generator)
        levels = (torch.arange(BANDS * count) + 0.5) / (BANDS * count)
        both = torch.stack([one, -one], dim=1).flatten(0, 1)
        return Draws(levels=levels.repeat_interleave(SIGNS), noise=both)


def by_band(values: Tensor) -> list[float]:
    """The mean of each band, of N values in the order of the draws."""
    return values.double().reshape(BANDS, -1).mean(dim=1).tolist()
