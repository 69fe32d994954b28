"""The adapter as a value: low-rank factors by module, and what is known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.hashing import bytes_hash
from .names import KeyStyle, flat

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class LowRank:
    r"""The update of one module: :math:`\Delta W = \frac{\alpha}{r} B A` (Hu et al. 2021, arXiv:2106.09685)."""

    down: Tensor
    """A, shape (rank, in) for linear layers, (rank, in, kh, kw) for convolutions."""
    up: Tensor
    """B, shape (out, rank) or (out, rank, 1, 1)."""
    alpha: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight that this updates: (out, in) or (out, in, kh, kw)."""
        return (self.up.shape[0], *self.down.shape[1:])

    def rows(self, rows: slice) -> LowRank:
        """The update of some of the weight's rows, over the same factors."""
        return LowRank(down=self.down, up=self.up[rows], alpha=self.alpha)

    def delta(self) -> Tensor:
        """The update itself in float32, with the weight's shape."""
        down, up = self.down.float(), self.up.float()
        product = up.flatten(1) @ down.flatten(1)
        return (self.alpha / self.rank) * product.reshape(self.weight_shape)


def joined(parts: Sequence[tuple[LowRank, float]], device: torch.device | str) -> LowRank:
    r"""One update that equals :math:`\sum_i w_i \frac{\alpha_i}{r_i} B_i A_i`: the factors joined along the rank.

    Args:
        parts: the updates of one weight and how much each of them counts; at least one.
        device: where the factors go.

    Returns:
        Factors of shapes (:math:`\sum_i r_i`, in · kh · kw) and (out, :math:`\sum_i r_i`), float32, whose scale is 1. A
        single update keeps its own factors, and its weight goes into alpha.
    """
    import torch

    if len(parts) == 1:
        [(update, weight)] = parts
        down, up = update.down.detach().to(device), update.up.detach().to(device)
        return LowRank(down=down, up=up, alpha=weight * update.alpha)

    def factor(values: Tensor) -> Tensor:
        return values.detach().to(device, torch.float32).flatten(1)

    downs = torch.cat([factor(update.down) for update, _ in parts])
    ups = torch.cat([factor(update.up) * (weight * update.alpha / update.rank) for update, weight in parts], dim=1)
    return LowRank(down=downs, up=ups, alpha=float(len(downs)))


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A trained adapter."""

    name: str
    family: str
    """Family of the base that it was trained on, or that its key names belong to."""
    modules: Mapping[str, LowRank] = field(repr=False)
    """``<component>.<module path>`` -> update, for example ``denoiser.mid_block.attentions.0...to_q``."""
    key_style: KeyStyle = "kohya"
    """How the files of its family name the tensors."""
    bound: bool = True
    """Whether the module paths are those of a base model; as read from a file they are the file's own, perhaps with
    underscores for dots, until ``bind`` has found the modules."""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the file's header says: ``modelspec.*``, ``ss_*``, ``lw.*``."""
    path: Path | None = None

    @property
    def trigger(self) -> str:
        """The trigger phrase, or nothing."""
        return self.metadata.get("modelspec.trigger_phrase", "")

    @property
    def rank(self) -> int:
        return max(update.rank for update in self.modules.values())

    @cached_property
    def content_hash(self) -> str:
        """Of names, factors and alphas; the same before and after ``bind``. The metadata doesn't count."""
        import torch

        parts = []
        for key in sorted(self.modules, key=flat):
            update = self.modules[key]
            raw = [t.detach().to("cpu", torch.float32).contiguous().numpy().tobytes() for t in (update.down, update.up)]
            parts.append(bytes_hash(flat(key).encode() + b"".join(raw) + repr(float(update.alpha)).encode()))
        return bytes_hash("".join(parts).encode())
