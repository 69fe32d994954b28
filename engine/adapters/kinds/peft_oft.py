"""OFT of peft and OneTrainer: rotations of a layer's inputs, that is of its weight's columns (arXiv:2506.19847)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

from ...core.errors import AdapterError
from .contract import BIAS, AdapterKind, Suffix, Update, common_parts

if TYPE_CHECKING:
    from torch import Tensor

_TERMS = 5
"""Of the series that stands for the inverse, where no settings say otherwise: the default of both programs."""


@dataclass(frozen=True)
class InputRotation(Update):
    r""":math:`\Delta W = W (R^T - I)`: R is block diagonal, with blocks :math:`(I - Q)(I + Q)^{-1}` or their series.

    In a stack, the adapter's weight scales the whole change. The programs themselves know no weight but 1.
    """

    kind = "peft_oft"
    additive = False
    scaled = False

    angles: Tensor
    """Of Q above the diagonal, (blocks, block · (block - 1) / 2); one block may be shared by all inputs."""
    terms: int = _TERMS
    """Of the series in place of the inverse; 0 for the inverse itself."""
    divided: bool = False
    """Whether the angles are to be divided by the square root of their number, as OneTrainer marks them."""
    alpha: float = 0.0
    """Not used."""
    bias: Tensor | None = None

    @property
    def numbers(self) -> tuple[float, ...]:
        return self.terms, self.divided

    @property
    def rank(self) -> int:
        return _side(self.angles.shape[1])

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return 0, self.angles.shape[0] * self.rank

    @property
    def made_for(self) -> str:
        return f"linear layers with {self.weight_shape[1]} inputs"

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Kernels don't fit: turning patches of a picture isn't a change of the weight."""
        shared = self.angles.shape[0] == 1 and len(shape) > 1 and shape[1] % self.rank == 0
        return len(shape) > 1 and prod(shape[2:]) == 1 and (shared or shape[1] == self.weight_shape[1])

    def delta(self, weight: Tensor) -> Tensor:
        import torch

        matrix = weight.float().flatten(1)
        blocks = self._rotations(weight.device) - torch.eye(self.rank, device=weight.device)
        change = torch.einsum("okc,krc->okr", matrix.unflatten(1, (-1, self.rank)), self._repeated(blocks, matrix))
        return change.reshape(weight.shape)

    def for_comfyui(self, weight: Callable[[], Tensor]) -> Update | None:
        """None: ComfyUI knows no rotations of inputs."""
        del weight

    def _repeated(self, blocks: Tensor, matrix: Tensor) -> Tensor:
        return blocks.expand(matrix.shape[1] // self.rank, -1, -1)

    def _rotations(self, device: Any) -> Tensor:
        import torch

        angles = self.angles.to(device).float()
        if self.divided:
            angles = angles / angles.shape[1] ** 0.5
        rows, columns = torch.triu_indices(self.rank, self.rank, 1, device=device)
        turn = torch.zeros(len(angles), self.rank, self.rank, device=device)
        turn[:, rows, columns] = angles
        turn = turn - turn.transpose(-1, -2)
        eye = torch.eye(self.rank, device=device)
        if not self.terms:
            return (eye - turn) @ (eye + turn).inverse()
        return _series(turn, eye, self.terms)

    def with_settings(self, settings: Mapping[str, Any]) -> InputRotation:
        if settings.get("coft"):
            raise AdapterError(
                "The adapter was trained by peft's constrained OFT (coft).",
                expected="OFT without the constraint",
                hint="merge it into its base model with peft.",
            )
        exact = not settings.get("use_cayley_neumann", True)
        return replace(self, terms=0 if exact else int(settings.get("num_cayley_neumann_terms", _TERMS)))

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        """As in files.

        Raises:
            AdapterError: it isn't computed as other programs would read it.
        """
        del alpha_apart
        if self.terms != _TERMS:
            raise AdapterError(
                "An OFT adapter of peft with settings of its own can't be saved in one file.",
                expected=f"the usual series of {_TERMS} terms (use_cayley_neumann, num_cayley_neumann_terms)",
                hint="go on using the folder with its adapter_config.json.",
            )
        return self.tensors()

    def tensors(self) -> dict[str, Tensor]:
        """Part -> tensor."""
        import torch

        parts = {"oft_r": self.angles.detach(), **common_parts(self, alpha_apart=False)}
        return {**parts, "oft_scaled": torch.tensor(1)} if self.divided else parts


class PeftOft(AdapterKind):
    name = "peft_oft"
    scaled = False
    network_module = "peft.oft"
    suffixes = {  # noqa: RUF012
        "oft_r": Suffix(".oft_R.weight", ".oft_R.weight"),
        "oft_scaled": Suffix(".oft_R.scaled_oft", ".oft_R.scaled_oft"),
        "bias": BIAS,
    }
    aliases = {".oft_R.default.weight": "oft_r"}  # noqa: RUF012
    needs = frozenset({"oft_r"})

    def factors(self, update: Update) -> dict[str, Tensor]:
        assert isinstance(update, InputRotation)
        return update.tensors()

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return _side(shapes["oft_r"][1])

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> InputRotation:
        angles = parts["oft_r"]
        if angles.ndim != 2 or 0 in angles.shape or angles.shape[1] != _angles(_side(angles.shape[1])):
            raise ValueError(f"{module} has angles of shape {tuple(angles.shape)}, which don't make square blocks")
        return InputRotation(angles, divided="oft_scaled" in parts)


def _angles(side: int) -> int:
    return side * (side - 1) // 2


def _side(angles: int) -> int:
    """Side of a square with so many values above its diagonal."""
    return (1 + isqrt(1 + 8 * angles)) // 2


def _series(turn: Tensor, eye: Tensor, terms: int) -> Tensor:
    """:math:`I + 2 Q + … + 2 Q^{n-2} + Q^{n-1}` for n terms, 4 at least where there are more than 2, as in peft."""
    total = eye.expand_as(turn)
    if terms > 1:
        total = total + 2 * turn
    power, last = turn, max(terms - 1, 3) if terms > 2 else 0
    for exponent in range(2, last + 1):
        power = power @ turn
        total = total + (1 if exponent == last else 2) * power
    return total
