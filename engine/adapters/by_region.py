"""Adapters that count in a part of the picture only.

At each step, the denoiser predicts once for each region, with the adapters of that region, and the predictions are put
together by the masks. The prompt is the same everywhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from .hiding import hiding
from .masks import Mask, counts, shares

if TYPE_CHECKING:
    from torch import Tensor

Apply: TypeAlias = "Callable[[int], contextlib.AbstractContextManager[None]]"
"""Gives a context within which the adapters of a region are applied; 0 is the region without a mask."""


@runtime_checkable
class Predicts(Protocol):
    """A base model whose sampler asks its own ``predict``, such as any ``Backbone`` that ComfyUI hasn't loaded."""

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Any) -> Tensor:
        """The prediction for noisy latents (B, C, h, w); see ``Backbone.predict``."""
        ...


@contextlib.contextmanager
def by_region(base: Predicts, masks: Sequence[Mask], apply: Apply) -> Iterator[None]:
    """Within the block, ``base.predict`` puts together what it predicts in each region.

    Args:
        base: the base model.
        masks: of the regions 1, 2, …; everything else is region 0.
        apply: applies what counts in a region.
    """
    predict = base.predict

    def predicted(x_t: Tensor, t: Tensor, conditioning: Any) -> Tensor:
        parts = []
        for region, share in enumerate(shares(masks, *x_t.shape[-2:])):
            if counts(share):
                with apply(region):
                    own = predict(x_t, t, conditioning)
                parts.append(own * share.to(own.device))
        return sum(parts[1:], parts[0])  # shares add up to 1, so that there is one

    with hiding(base, "predict", predicted):
        yield
