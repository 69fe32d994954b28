"""Injecting a trainable adapter into a frozen model, and removing it without a trace.

Layers stay in place; only their ``forward`` is replaced. The trainable tensors are kept here, so that the model's
parameters, state dict and module names don't change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import AdapterError
from ..core.seeds import derived_seed
from ..core.words import first_of
from .binding import adaptable
from .kinds import TrainableKind, Update
from .names import flat
from .wrapping import Wrapped

if TYPE_CHECKING:
    from torch import Tensor, nn


class Injection:
    """An adapter in training, inside one or more components (denoiser, text encoders).

    Args:
        kind: kind of adapter.
        components: component -> module.
        targets: component -> ends of the keys of modules to adapt; a whole key means one module.
        rank: inner dimension of the update.
        alpha: the update is scaled by alpha / rank.
        seed: of the initialization.
        common_name: module key of these components -> its name in all implementations of the family. Each layer is
            initialized by the seed and this name, so that the values don't depend on how the model is implemented.
        size_of: module key -> its rank and alpha, if they aren't the same for all.

    Raises:
        AdapterError: a suffix matches no layer, or a layer that can't be adapted.
    """

    def __init__(
        self,
        kind: TrainableKind,
        components: Mapping[str, nn.Module],
        targets: Mapping[str, tuple[str, ...]],
        *,
        rank: int,
        alpha: float,
        seed: int,
        common_name: Callable[[str], str] = str,
        size_of: Callable[[str], tuple[int, float]] | None = None,
    ) -> None:
        self.kind = kind
        self.parameters: dict[str, nn.Parameter] = {}
        """``<component>.<module path>.<part>`` -> trainable tensor, float32."""
        self.weight = 1.0
        """Factor of the update in forward passes: 0 switches the adapter off, negative weights reverse it."""
        self._layers: dict[str, Any] = {}
        self._alphas: dict[str, float] = {}
        self._fixed: dict[str, dict[str, Tensor]] = {}
        self._wrapped = Wrapped()
        layers = {}
        for component, suffixes in targets.items():
            layers |= _matching(component, components[component], suffixes)
        for key, layer in layers.items():
            size = size_of(key) if size_of else (rank, alpha)
            self._adapt(key, layer, *size, derived_seed(seed, flat(common_name(key))))

    def _adapt(self, key: str, layer: Any, rank: int, alpha: float, seed: int) -> None:
        import torch

        if getattr(layer, "groups", 1) != 1:
            raise AdapterError(
                f"{key} is a grouped convolution, which can't be adapted.",
                expected="linear layers and ordinary convolutions",
                hint="choose another target preset in the recipe.",
            )
        weight = layer.weight.detach()  # asked for once: quantized layers unpack it
        first = self.kind.begin(
            tuple(weight.shape),
            lambda: weight.to("cpu", torch.float32),
            rank=rank,
            generator=torch.Generator().manual_seed(seed),
        )
        placed = {part: value.to(weight.device) for part, value in first.items()}
        fixed = {part: placed.pop(part) for part in self.kind.fixed}
        factors = {part: torch.nn.Parameter(value) for part, value in placed.items()}
        self.parameters |= {f"{key}.{part}": parameter for part, parameter in factors.items()}
        self._layers[key], self._alphas[key], self._fixed[key] = layer, alpha, fixed
        scale = self.kind.scale(factors, rank=rank, alpha=alpha)
        self._wrapped.put(layer, partial(self._forward, layer, layer.forward, {**factors, **fixed}, scale))

    def _forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, *args: Any,
        **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        if not self.weight:
            return base(*args, **kwargs)
        if self.kind.additive or self.weight == 1:
            return self.kind.forward(layer, base, factors, scale * self.weight, *args, **kwargs)
        plain = base(*args, **kwargs)
        changed = self.kind.forward(layer, lambda *_, **__: plain, factors, scale, *args, **kwargs)
        return plain + self.weight * (changed - plain)

    @property
    def keys(self) -> Iterable[str]:
        """Module keys of the layers that are adapted."""
        return self._layers.keys()

    @contextlib.contextmanager
    def at(self, weight: float) -> Iterator[None]:
        """Within the block, the adapter has this weight."""
        before, self.weight = self.weight, weight
        try:
            yield
        finally:
            self.weight = before

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set all trainable tensors; names as in ``parameters``."""
        import torch

        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(values[key])

    def result(self) -> dict[str, Update]:
        """Module key -> current update, copied to the CPU, in the form that ComfyUI's own loader reads."""
        factors: dict[str, dict[str, Tensor]] = {key: {} for key in self._layers}
        for name, parameter in self.parameters.items():
            key, _, part = name.rpartition(".")
            factors[key][part] = parameter.detach().cpu().clone()
        for key, fixed in self._fixed.items():
            factors[key] |= {part: value.cpu() for part, value in fixed.items()}
        return {key: self._update(key, own) for key, own in factors.items()}

    def _update(self, key: str, factors: Mapping[str, Tensor]) -> Update:
        update = self.kind.update(factors, self._alphas[key])
        return update.for_comfyui(lambda: self._layers[key].weight.detach()) or update

    def remove(self) -> None:
        """Restore the ``forward`` of every layer."""
        self._wrapped.remove()


@contextlib.contextmanager
def injected(*args: Any, **kwargs: Any) -> Iterator[Injection]:
    """An :class:`Injection` for the duration of the block."""
    injection = Injection(*args, **kwargs)
    try:
        yield injection
    finally:
        injection.remove()


def _matching(component: str, model: nn.Module, suffixes: tuple[str, ...]) -> dict[str, Any]:
    """Module key -> layer whose key ends so, in the order of the model."""
    layers = adaptable({component: model})
    endings = tuple(f".{suffix}" for suffix in suffixes)
    if missing := [
        s for s, ending in zip(suffixes, endings, strict=True) if not any(f".{key}".endswith(ending) for key in layers)
    ]:
        raise AdapterError(
            f"No layer of the {component} has a name that ends in {first_of(missing)}.",
            expected="targets that the base model has",
            hint="choose another target preset in the recipe.",
        )
    return {key: layer for key, layer in layers.items() if f".{key}".endswith(endings)}
