"""DoRA: weights decomposed into direction and magnitude (Liu et al. 2024, arXiv:2402.09353), on any additive kind.

Files have the magnitude in one of two forms, as programs compute it in two ways. The paper, lycoris, A1111 and peft
divide by the lengths of the *changed* weight's rows. ComfyUI divides by those of the *unchanged* ones
(``weight_decompose`` in ``comfy/weight_adapter/base.py``), except for magnitudes per column, where it does as the
others. What is trained here is saved in ComfyUI's form, marked by :data:`NORMS` in the header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .contract import AdapterKind, Suffix, TrainableKind, Update
from .loha import Loha
from .lokr import Lokr
from .lora import Lora, product

if TYPE_CHECKING:
    from torch import Generator, Tensor

NORMS = "lw.dora_norms"
"""Metadata field that says by which lengths magnitudes are divided: ``unchanged``, or as in the paper without it."""
UNCHANGED = "unchanged"
_TURNING: tuple[AdapterKind, ...] = (Lora(), Loha(), Lokr())
"""Kinds whose update turns the weight before its magnitude is set."""


@dataclass(frozen=True)
class Decomposed(Update):
    r""":math:`\Delta W = m \frac{W + \Delta V}{\lVert W + \Delta V \rVert} - W`, eq. 5 of the paper.

    In a stack with weight w this change counts w times, as in ComfyUI and A1111; the paper knows no such weight.
    In ComfyUI's form, :math:`\lVert W \rVert` is below the fraction.
    """

    kind = "dora"
    additive = False

    turn: Update
    r""":math:`\Delta V`; it has no bias."""
    magnitude: Tensor
    """m, shape (out, 1, …) for a length per row of the weight, (1, in, 1, …) for one per column."""
    bias: Tensor | None = None
    by_unchanged: bool = False
    """Whether it is in ComfyUI's form: magnitudes per row, relative to the lengths of the unchanged weight's rows."""

    @property
    def numbers(self) -> tuple[float, ...]:
        return (*super().numbers, True) if self.by_unchanged else super().numbers

    @property
    def per_row(self) -> bool:
        """Whether magnitudes are lengths of rows rather than of columns."""
        return self.magnitude.shape[0] > 1 or self.magnitude.numel() == 1

    @property
    def alpha(self) -> float:  # type: ignore[override]
        return self.turn.alpha

    @property
    def rank(self) -> int:
        return self.turn.rank

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.turn.weight_shape

    @property
    def made_for(self) -> str:
        return f"{self.turn.made_for} with magnitudes of shape {tuple(self.magnitude.shape)}"

    def fits(self, shape: tuple[int, ...]) -> bool:
        if len(shape) < 2 or not self.turn.fits(shape):
            return False
        return self.magnitude.numel() == shape[int(self._per_column(shape))]

    def delta(self, weight: Tensor) -> Tensor:
        before = weight.float()
        turned = before + self.turn.delta(weight)
        axis = int(self._per_column(tuple(weight.shape)))
        lengths = self.magnitude.to(weight.device).float().reshape(_along(axis, weight.ndim))
        return lengths * turned / norms(before if self.by_unchanged else turned, axis) - before

    def for_comfyui(self, weight: Callable[[], Tensor]) -> Decomposed:
        """The same change of this weight in ComfyUI's form; magnitudes per column have it already."""
        if self.by_unchanged or not self.per_row:
            return self
        return replace(self, magnitude=self.magnitude / self._stretch(weight()), by_unchanged=True)

    def for_others(self, weight: Callable[[], Tensor]) -> Decomposed:
        """The same change of this weight in the form of the paper."""
        if not self.by_unchanged:
            return self
        return replace(self, magnitude=self.magnitude * self._stretch(weight()), by_unchanged=False)

    def _stretch(self, weight: Tensor) -> Tensor:
        """What the turn makes of the lengths of rows, as a factor, of the magnitude's shape."""
        before = weight.float()
        found = norms(before + self.turn.delta(weight)) / norms(before)
        return found.reshape(self.magnitude.shape).to(self.magnitude.device)

    def with_settings(self, settings: Mapping[str, Any]) -> Decomposed:
        """Files in ComfyUI's form say so: ``{NORMS: UNCHANGED}``."""
        return replace(self, by_unchanged=settings.get(NORMS) == UNCHANGED and self.per_row)

    def _per_column(self, shape: tuple[int, ...]) -> bool:
        return self.magnitude.shape[0] == 1 and self.magnitude.numel() == shape[1]

    def with_scale(self, scale: float) -> Decomposed:
        return replace(self, turn=self.turn.with_scale(scale))

    def rows(self, rows: slice) -> Update:
        if not self.per_row:
            return super().rows(rows)
        bias = None if self.bias is None else self.bias[rows]
        return replace(self, turn=self.turn.rows(rows), magnitude=self.magnitude[rows], bias=bias)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        parts = {**self.turn.parts(alpha_apart=alpha_apart), "magnitude": self.magnitude.detach()}
        return parts if self.bias is None else {**parts, "bias": self.bias.detach()}

    def changes_anything(self) -> bool:
        return self.turn.changes_anything()


class Dora(TrainableKind):
    name = "dora"
    additive = False
    network_module = "networks.lora"
    suffixes = {  # noqa: RUF012
        **{part: suffix for kind in _TURNING for part, suffix in kind.suffixes.items()},
        "magnitude": Suffix(".dora_scale", ".dora_scale"),
    }
    aliases = {  # noqa: RUF012
        **{suffix: part for kind in _TURNING for suffix, part in kind.aliases.items()},
        **{f".lora_magnitude_vector{end}": "rows_magnitude" for end in ("", ".weight", ".default", ".default.weight")},
        ".magnitude": "rows_magnitude",  # ai-toolkit
    }
    needs = frozenset({"magnitude"})

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        return {**Lora().begin(shape, weight, rank=rank, generator=generator), "magnitude": norms(weight())}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`g (W x + \frac{\alpha}{r} B A x) + b` with g = m / :math:`\lVert W + \Delta V \rVert`, a row's gain.

        The gradient goes through the length too, which the paper treats as a constant (section 4.3).
        """
        from torch.utils.checkpoint import checkpoint

        plain = base(x, *args, **kwargs)
        down, up, magnitude = (factors[part] for part in ("down", "up", "magnitude"))
        gain = checkpoint(_gain, layer, down, up, magnitude, scale, use_reentrant=False, preserve_rng_state=False)
        beside = [-1, *[1] * (down.ndim - 2)]
        gain = gain.reshape(beside)
        unbiased = plain if layer.bias is None else plain - layer.bias.to(x.dtype).reshape(beside)
        change = product(layer, down.to(x.dtype), up.to(x.dtype), x) * scale
        return plain + unbiased * (gain - 1).to(x.dtype) + change * gain.to(x.dtype)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Decomposed:
        return Decomposed(Lora().update(factors, alpha), factors["magnitude"])

    def claims(self, parts: AbstractSet[str]) -> bool:
        own = {"magnitude", "rows_magnitude"} & parts
        return len(own) == 1 and any(kind.claims(parts - own) for kind in _TURNING)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        turning = {part: shape for part, shape in shapes.items() if part not in ("magnitude", "rows_magnitude")}
        return next(kind for kind in _TURNING if kind.claims(turning.keys())).rank_of(turning)

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Decomposed:
        rest = parts.keys() - {"magnitude", "rows_magnitude"}
        kind = next(kind for kind in _TURNING if kind.claims(rest))
        turn = kind.from_parts(parts, module)
        magnitude = parts["rows_magnitude"].flatten() if "rows_magnitude" in parts else parts["magnitude"]
        return Decomposed(turn, _shaped(magnitude, turn.weight_shape, module))


def _gain(layer: Any, down: Tensor, up: Tensor, magnitude: Tensor, scale: float) -> Tensor:
    """What each row of the weight is multiplied by, float32; computed again in the backward pass, as it needs the whole
    weight."""
    turned = layer.weight.to(down.device).float()
    turned = turned + scale * (up.flatten(1) @ down.flatten(1)).reshape(turned.shape)
    return magnitude / norms(turned)


def norms(weight: Tensor, axis: int = 0) -> Tensor:
    """Length of each row (axis 0) or column (axis 1) of a weight, shape (out, 1, …) or (1, in, 1, …).

    As in lycoris a little is added, so that rows of zeros stay zero.
    """
    import torch

    lengths = weight.transpose(0, axis).flatten(1).norm(dim=1)
    return lengths.reshape(_along(axis, weight.ndim)) + torch.finfo(weight.dtype).eps


def _along(axis: int, dimensions: int) -> list[int]:
    return [-1 if dimension == axis else 1 for dimension in range(dimensions)]


def _shaped(magnitude: Tensor, shape: tuple[int, ...], module: str) -> Tensor:
    """The magnitude with its axis marked: a plain vector is a length per row, as in peft.

    diffusers writes the vectors of peft's convolutions as (1, out, 1, 1), where lycoris has (1, in, 1, 1).

    Raises:
        ValueError: the magnitude fits neither rows nor columns.
    """
    count, dimensions = magnitude.numel(), max(len(shape), magnitude.ndim)
    fits_columns = count == shape[1] or (len(shape) == 2 and shape[1] % count == 0)
    if magnitude.ndim > 1 and magnitude.shape[0] == 1 and magnitude.shape[1] == count and fits_columns:
        return magnitude
    if count != shape[0]:
        raise ValueError(f"{module} has magnitudes of shape {tuple(magnitude.shape)} for a weight of shape {shape}")
    return magnitude.reshape(_along(0, dimensions))
