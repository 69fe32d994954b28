"""Updates of our kinds as ComfyUI's patches of one weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from ...engine.adapters.kinds import LowRank, Update
from ...engine.adapters.kinds.summing import Part, bias_change, joined, steps
from .seam import COMFY

if TYPE_CHECKING:
    from torch import Tensor

Target: TypeAlias = "str | tuple[Any, ...]"
"""A weight's key in the model's state dict, or (key, (axis, start, length), …) for a slice of a fused weight."""


def patches_of(target: Target, parts: Iterable[Part]) -> Iterator[Any]:
    """The patches of a weight, in their order: one for all LoRAs next to each other, and one for each other update.

    Other kinds are computed by our own code rather than by ComfyUI's adapters, so that both hosts give the same
    weights, and those of the program that wrote the file. ComfyUI's differ from these for DoRA with a magnitude per
    row (it divides by the norm of the weight before the change) and for OFT (it squares the weight in the stack,
    leaves ``rescale`` out, and takes alpha for the bound itself).
    """
    for step in steps(parts):
        if isinstance(step[0][0], LowRank):
            yield _low_rank(target, step)
        else:
            yield _of_own_kind()(set(), step[0])


def bias_patch(parts: Iterable[Part]) -> Any | None:
    """The patch of a bias, if any of the updates changes it."""
    change = bias_change(parts)
    return None if change is None else ("diff", (change,))


def bias_of(target: Target) -> Target:
    """The target of the bias of the same rows."""
    if isinstance(target, str):
        return f"{target.removesuffix('.weight')}.bias"
    key, *rest = target
    return (f"{key.removesuffix('.weight')}.bias", *rest)


def _low_rank(target: Target, step: list[Part]) -> Any:
    """One patch for several LoRAs. A target with more than one slice is turned, as only ComfyUI's own patch can."""
    if not isinstance(target, str) and len(target) > 2:
        update = joined(step, device="cpu")  # type: ignore[arg-type]
        return COMFY.LoRAAdapter(set(), (update.up, update.down, update.alpha, None, None, None))
    return _together()(
        set(),
        tuple(
            (update.up.detach(), update.down.detach(), float(update.alpha), share)
            for update, share in step
            if isinstance(update, LowRank)
        ),
    )


@cache
def _together() -> type[Any]:
    """A patch of several LoRAs, whose factors are joined when the weight is changed, layer by layer.

    Joined before, in float32, they would take more memory than the files of all adapters together.
    """
    import torch

    class LoRAsTogether(COMFY.WeightAdapterBase):
        name = "LoRAs together"

        def __init__(self, loaded_keys: set[str], weights: tuple[tuple[Any, ...], ...]) -> None:
            # ComfyUI moves the tensors of ``weights``, however they are nested, and makes a patch of them again.
            self.loaded_keys, self.weights = loaded_keys, weights

        def calculate_weight(self, weight: Tensor, key: str, strength: float, *args: Any, **options: Any) -> Tensor:
            """The weight, changed in place, without a further tensor of its size where it is float32."""
            del key, args, options
            parts = [(LowRank(down, up, alpha), share) for up, down, alpha, share in self.weights]
            update = joined(parts, device=weight.device)
            up, down = (factor.float().flatten(1) for factor in (update.up, update.down))
            scale = strength * update.alpha / update.rank
            if weight.dtype == torch.float32 and weight.is_contiguous():
                weight.flatten(1).addmm_(up, down, alpha=scale)
            else:
                weight += (scale * (up @ down)).reshape(weight.shape).to(weight.dtype)
            return weight

    return LoRAsTogether


@cache
def _of_own_kind() -> type[Any]:
    """A patch that computes an update of any kind."""

    class OwnKind(COMFY.WeightAdapterBase):
        name = "own kind"

        def __init__(self, loaded_keys: set[str], weights: tuple[Update, float]) -> None:
            self.loaded_keys, self.weights = loaded_keys, weights

        def calculate_weight(
            self,
            weight: Tensor,
            key: str,
            strength: float,
            strength_model: float,
            offset: Any,
            function: Callable[[Tensor], Tensor],
            *args: Any,
            **options: Any,
        ) -> Tensor:
            """The weight, changed in place. ``function`` swaps the halves of rows that files have the other way."""
            del key, strength_model, offset, args, options
            update, share = self.weights
            weight += function(update.change(function(weight.float()), strength * share)).to(weight.dtype)
            return weight

    return OwnKind
