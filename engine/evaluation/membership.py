r"""Memorisation, told by membership inference: whether an adapter gained more on its training pictures than on others.

A picture's *gain* is by how much the adapter lowers its denoising loss below the base model's, at the same noise and
noise levels. That the loss of a diffusion model betrays its training pictures: Pang et al. 2023, arXiv:2308.06405.
That it must be compared with a model that hasn't seen them, since some pictures are easy for all: difficulty
calibration, Watson et al. 2022, arXiv:2111.08440. An adapter that has learned a subject or a style gains on held-out
pictures of it as much as on those that it was trained on; one that repeats its pictures gains on these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Membership:
    """How well gains tell the training pictures from those that were held out."""

    auc: float
    """Probability that a training picture gained more than a held-out one: 0.5 by chance, 1 if all did. Ties count as
    a half."""
    p: float
    """Probability of this ``auc`` or a higher one if it made no difference which pictures were held out. Of few
    pictures it can't be small: 1/20 at least of three and three."""

    @staticmethod
    def of(members: Sequence[float], held: Sequence[float]) -> Membership | None:
        """From the gains of training pictures and of held-out ones; ``None`` if there are none of either."""
        if not members or not held:
            return None
        doubled = _doubled_ranks([*members, *held])
        score = sum(doubled[: len(members)])
        least = len(members) * (len(members) + 1)
        auc = (score - least) / (2 * len(members) * len(held))
        return Membership(auc=auc, p=_share_from(doubled, len(members), score))


def gains(adapted: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> list[float]:
    r"""The gain of each picture, :math:`g_i = \frac{1}{B} \sum_b (l^0_{ib} - l_{ib}) / s_b`.

    :math:`s_b` is the root mean square, over all pictures, of the differences in band b: otherwise the bands with the
    largest losses would decide alone. It is the same for all pictures, so that it favors neither of the two groups.

    Args:
        adapted: loss of each picture with the adapter, (pictures, bands).
        base: the same without it.
    """
    lowered = np.subtract(base, adapted)
    scale = np.sqrt(np.square(lowered).mean(axis=0))
    return (lowered / np.where(scale > 0, scale, 1)).mean(axis=1).tolist()


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, from 1 for the smallest; ties share the mean of their ranks."""
    ordered = np.sort(values)
    below, up_to = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below + up_to + 1).tolist()


def _share_from(doubled: Sequence[int], count: int, score: int) -> float:
    """The share of all choices of ``count`` of these ranks whose sum is at least ``score``: the exact permutation test.

    The choices are counted by sum, one rank after the other, so that none needs to be drawn (as for the U test: Mann
    and Whitney 1947, doi:10.1214/aoms/1177730491).
    """
    ways: Any = np.zeros((count + 1, sum(doubled) + 1))
    ways[0, 0] = 1
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return float(ways[count, score:].sum() / ways[count].sum())
