"""Training all weights of a model, beside the model that came in.

Each weight has a float32 copy, its *master*, which is trained. A layer computes with its masters in the dtype that its
own weights have, as in mixed-precision training (Micikevicius et al. 2017, arXiv:1710.03740, section 3.1): steps that
are too small for 16 bits add up in the masters. The model's own weights aren't touched, and come back when it ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..adapters.wrapping import Wrapped

if TYPE_CHECKING:
    from torch import Tensor, nn


class Whole:
    """The masters of one or more components, in the place of their weights.

    Args:
        components: component -> module.
    """

    def __init__(self, components: Mapping[str, nn.Module]) -> None:
        self.parameters: dict[str, nn.Parameter] = {}
        """``<component>.<name of the parameter>`` -> master, float32, laid out as the parameter is."""
        self._wrapped = Wrapped()
        self._made: dict[int, nn.Parameter] = {}
        for component, root in components.items():
            for path, module in root.named_modules():
                self._take(".".join(filter(None, (component, path))), module)

    def _take(self, key: str, module: Any) -> None:
        own = dict(module.named_parameters(recurse=False))
        if own:
            masters = {name: self._master(f"{key}.{name}", parameter) for name, parameter in own.items()}
            self._wrapped.put(module, partial(_forward, module, module.forward, masters))

    def _master(self, name: str, parameter: nn.Parameter) -> nn.Parameter:
        """The master of a parameter, one for all modules that share it."""
        import torch

        if id(parameter) not in self._made:
            master = torch.nn.Parameter(parameter.detach().to(torch.float32, copy=True))
            self._made[id(parameter)] = self.parameters[name] = master
        return self._made[id(parameter)]

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set all masters; names as in ``parameters``."""
        import torch

        with torch.no_grad():
            for name, master in self.parameters.items():
                master.copy_(values[name])

    def result(self) -> dict[str, Tensor]:
        """Name -> current value, float32, on the CPU."""
        return {name: master.detach().to("cpu", copy=True) for name, master in self.parameters.items()}

    def remove(self) -> None:
        """Let every layer compute with its own weights again."""
        self._wrapped.remove()


@contextlib.contextmanager
def whole(components: Mapping[str, nn.Module]) -> Iterator[Whole]:
    """A :class:`Whole` for the duration of the block."""
    trainee = Whole(components)
    try:
        yield trainee
    finally:
        trainee.remove()


def _forward(
    module: nn.Module, forward: Callable[..., Any], masters: Mapping[str, Tensor], *args: Any, **kwargs: Any
) -> Any:
    """A layer's forward pass with its masters in the dtype of its own weights."""
    own = {name: module._parameters[name] for name in masters}
    module._parameters.update({name: master.to(own[name].dtype) for name, master in masters.items()})  # type: ignore[union-attr,arg-type]
    try:
        return forward(*args, **kwargs)
    finally:
        module._parameters.update(own)
