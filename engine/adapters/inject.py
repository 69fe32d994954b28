"""Putting trainable low-rank factors into a frozen model by peft, and taking them out again without a trace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import AdapterError
from ..core.seeds import derived_seed
from .adapter import LowRank
from .names import flat

if TYPE_CHECKING:
    from torch import Tensor, nn

_NAME = "lw"  # peft's name for the adapter inside the model


class Injection:
    """Trainable LoRA factors inside one or more components (denoiser, text encoders).

    Args:
        components: component name -> module.
        targets: component name -> suffixes of the modules to adapt.
        rank: inner dimension of the update.
        alpha: the update is alpha / rank * B A.
        seed: of A's initial values; B starts at zero, so that the model starts unchanged.
        common_name: what a module key of these components is called in every model of the family. With the seed it
            decides the initial values, so that they don't depend on how or in which order a program builds the model.

    Raises:
        AdapterError: a suffix matches no module.
    """

    def __init__(
        self,
        components: Mapping[str, nn.Module],
        targets: Mapping[str, tuple[str, ...]],
        *,
        rank: int,
        alpha: float,
        seed: int,
        common_name: Callable[[str], str] = str,
    ) -> None:
        self.alpha = alpha
        self._components = components
        self.parameters: dict[str, nn.Parameter] = {}
        """``<component>.<module path>.down`` or ``.up`` -> factor, float32."""
        for component, suffixes in targets.items():
            _check_targets(component, components[component], suffixes)
        for component, suffixes in targets.items():
            self._inject(component, suffixes, rank)
        for key, parameter in self.parameters.items():
            module, _, factor = key.rpartition(".")
            if factor == "down":
                _initialize(parameter, derived_seed(seed, flat(common_name(module))))

    def _inject(self, component: str, suffixes: tuple[str, ...], rank: int) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        model = self._components[component]
        config: Any = LoraConfig(r=rank, lora_alpha=self.alpha, target_modules=list(suffixes))  # type: ignore  # alpha may be a fraction
        inject_adapter_in_model(config, model, adapter_name=_NAME)
        for path, layer in _adapted_layers(model):
            for factor, linear in (("down", layer.lora_A[_NAME]), ("up", layer.lora_B[_NAME])):
                linear.float()
                self.parameters[f"{component}.{path}.{factor}"] = linear.weight
            layer.forward = partial(_forward, layer)

    def modules(self) -> dict[str, LowRank]:
        """The factors as they are now, copied to the CPU."""
        result = {}
        for key in self.parameters:
            module, _, factor = key.rpartition(".")
            if factor == "down":
                down, up = (self.parameters[f"{module}.{f}"].detach().cpu().clone() for f in ("down", "up"))
                result[module] = LowRank(down, up, self.alpha)
        return result

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set every factor; names as in ``parameters``."""
        import torch

        with torch.no_grad():
            for key, parameter in self.parameters.items():
                parameter.copy_(values[key])

    def remove(self) -> None:
        """Give the model its own layers back; frozen weights were never touched."""
        for model in self._components.values():
            for path, layer in _adapted_layers(model):
                parent, _, child = path.rpartition(".")
                setattr(model.get_submodule(parent), child, layer.base_layer)
            if hasattr(model, "peft_config"):
                del model.peft_config


@contextlib.contextmanager
def injected(
    components: Mapping[str, nn.Module],
    targets: Mapping[str, tuple[str, ...]],
    *,
    rank: int,
    alpha: float,
    seed: int,
    common_name: Callable[[str], str] = str,
) -> Iterator[Injection]:
    """An ``Injection`` that is removed when the block ends, however it ends."""
    injection = Injection(components, targets, rank=rank, alpha=alpha, seed=seed, common_name=common_name)
    try:
        yield injection
    finally:
        injection.remove()


def _forward(layer: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    r""":math:`W x + \frac{\alpha}{r} B A x` in the activations' own number format; the factors stay float32.

    peft's own computes the update in float32: its inputs would be kept twice for the backward pass, and on a CPU that
    multiplies bf16 fast the products are slow.
    """
    result = layer.base_layer(x, *args, **kwargs)
    down, up = layer.lora_A[_NAME], layer.lora_B[_NAME]
    if x.dtype == down.weight.dtype:
        return result + up(down(x)) * layer.scaling[_NAME]
    inner = _as(down, x)(x)
    return result + _as(up, x)(inner) * layer.scaling[_NAME]


def _as(factor: Any, like: Tensor) -> Callable[[Tensor], Tensor]:
    """A factor's layer with its weight in the type of ``like``; gradients arrive at the float32 weight."""
    from torch import nn
    from torch.nn import functional

    weight = factor.weight.to(like.dtype)
    if isinstance(factor, nn.Linear):
        return lambda x: functional.linear(x, weight)
    return lambda x: factor._conv_forward(x, weight, None)


def _initialize(down: nn.Parameter, seed: int) -> None:
    """Kaiming-uniform values with a = sqrt(5), as torch's layers and peft have them: bounds of 1 / sqrt(fan-in)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    bound = down[0].numel() ** -0.5
    with torch.no_grad():
        down.copy_((torch.rand(down.shape, generator=generator) * 2 - 1) * bound)


def _check_targets(component: str, model: nn.Module, suffixes: tuple[str, ...]) -> None:
    names = [name for name, _ in model.named_modules()]
    missing = [s for s in suffixes if not any(n == s or n.endswith("." + s) for n in names)]
    if missing:
        raise AdapterError(
            f"No module of the {component} ends in {', '.join(missing)}.",
            expected="targets that the base model has",
            hint="choose another target preset in the recipe.",
        )


def _adapted_layers(model: nn.Module) -> list[tuple[str, Any]]:
    """Path and peft's layer of each module that carries our adapter."""
    from peft.tuners.lora import LoraLayer

    return [(path, m) for path, m in model.named_modules() if isinstance(m, LoraLayer) and _NAME in m.lora_A]
