"""Stacks on base models: all adapters of a stack in effect, within a block."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..core.errors import AdapterError
from .binding import HasComponents, changeable
from .by_region import Predicts, by_region
from .by_step import Samples, by_step
from .changes import change_of, no_bias
from .fused import bind_to
from .kinds.summing import Part, bias_change, updated
from .stack import Stack
from .wrapping import Wrapped

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .binding import Weighted


@runtime_checkable
class CarriesStacks(Protocol):
    """A base model that applies stacks in its own way, such as by ComfyUI's patches."""

    def carrying(self, stack: Stack) -> contextlib.AbstractContextManager[None]:
        """Within the block, the stack is applied; see :func:`applied`."""
        ...


@runtime_checkable
class CarriesRegions(Protocol):
    """A base model that applies stacks with masks in its own way."""

    def carrying_regions(self, stack: Stack) -> contextlib.AbstractContextManager[None]:
        """Within the block, each adapter of the stack counts where its mask is; none has a schedule."""
        ...


def applied(base: HasComponents | CarriesStacks, stack: Stack) -> contextlib.AbstractContextManager[None]:
    r"""Within the block, the base model's weights are :math:`W + \sum_i w_i \Delta W_i`, and its biases likewise.

    Schedules and masks count in ``base.sample``; see ``by_step.py`` and ``by_region.py``.

    However many adapters there are, each affected weight is computed once, in float32, and cast to its dtype. The
    original parameters are put back untouched when the block ends, even after an error. Quantized layers compute
    :math:`W x + \sum_i w_i \Delta W_i x` instead: a changed weight would have to be rounded to few bits again.

    Args:
        base: the model.
        stack: may be empty.

    Raises:
        AdapterError: an adapter doesn't fit the model; the message names it, and the model is unchanged.
    """
    if not (stack.scheduled or stack.masks):
        return _constant(base, stack)
    if isinstance(base, Samples) and isinstance(base, Predicts):
        return _varying(base, stack)
    raise AdapterError(
        "The stack has schedules or masks, and this base model can't sample.",
        expected="a stack with one weight for each adapter",
        hint="take them off.",
    )


def _constant(base: HasComponents | CarriesStacks, stack: Stack) -> contextlib.AbstractContextManager[None]:
    """Apply a stack without schedules or masks."""
    return base.carrying(stack) if isinstance(base, CarriesStacks) else _exchanged(base, stack)


@contextlib.contextmanager
def _varying(base: Any, stack: Stack) -> Iterator[None]:
    """Text encoders have their weights throughout, as prompts are encoded once; the denoiser those of each step and
    place."""
    texts = Stack(tuple(replace(entry, weight=0.0, steps=(), mask=None) for entry in stack.entries))
    images = Stack(tuple(replace(entry, text_encoder_weight=0.0) for entry in stack.entries))
    starts = sorted({0.0, *(start for entry in stack.active() for start, _ in entry.steps)})
    with _constant(base, texts), by_step(base, starts, lambda start: _by_region(base, images.at(start))):
        yield


def _by_region(base: Any, stack: Stack) -> contextlib.AbstractContextManager[None]:
    """Apply a stack without schedules, each adapter where its mask is."""
    if not stack.masks:
        return _constant(base, stack)
    if isinstance(base, CarriesRegions):
        return base.carrying_regions(stack)
    regions = [stack.region(mask) for mask in (None, *stack.masks)]
    return by_region(base, stack.masks, lambda region: _constant(base, regions[region]))


@contextlib.contextmanager
def _exchanged(base: HasComponents, stack: Stack) -> Iterator[None]:
    """Replace the parameters that the stack changes; only their components are loaded."""
    updates: dict[str, list[Part]] = defaultdict(list)
    for entry in stack.active():
        for key, update in bind_to(base, entry.adapter).modules.items():
            if weight := entry.weight_for(key):
                updates[key].append((update, weight))
    names = dict.fromkeys(key.split(".", 1)[0] for key in updates)
    layers = changeable({name: base.load_component(name) for name in names})
    # Whole ones: models whose layers files cut into several carry stacks in their own way.
    modules = {part: layer for key, layer in layers.items() for part, _ in base.file_parts(key)}
    originals: list[tuple[nn.Module, str, Any]] = []
    wrapped = Wrapped()
    try:
        for key, parts in updates.items():
            if "weight" not in modules[key]._parameters:
                wrapped.put(modules[key], _adding(key, modules[key], parts))
                continue
            for name, new in _changed(key, modules[key], parts):
                originals.append((modules[key], name, getattr(modules[key], name)))
                setattr(modules[key], name, new)
        yield
    finally:
        wrapped.remove()
        for module, name, original in originals:
            setattr(module, name, original)


def _adding(key: str, layer: Any, parts: list[Part]) -> Callable[[Tensor], Tensor]:
    """The forward of a quantized layer with updates beside its weight."""
    base = layer.forward
    change = change_of(key, layer, [(slice(None), parts)], layer.weight.dtype)
    return lambda x: base(x) + change(x)


def _changed(key: str, module: Weighted, parts: list[Part]) -> Iterator[tuple[str, nn.Parameter]]:
    """Name -> new value, for the weight and, where an update changes it, the bias.

    Raises:
        AdapterError: the module has no bias.
    """
    import torch

    with torch.no_grad():
        weight, bias = module.weight, getattr(module, "bias", None)
        yield "weight", torch.nn.Parameter(updated(weight.float(), parts).to(weight.dtype), requires_grad=False)
        if (change := bias_change(parts)) is None:
            return
        if bias is None:
            raise no_bias(key)
        new = (bias.float() + change.to(bias.device)).to(bias.dtype)
        yield "bias", torch.nn.Parameter(new, requires_grad=False)
