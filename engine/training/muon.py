"""Muon for matrices, with AdamW beside it for everything else, as one optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, optim

Groups = list[dict[str, Any]]


def is_matrix(parameter: Tensor) -> bool:
    """Whether it has rows and columns to be made orthogonal; a single row or column only has a length."""
    return parameter.ndim == 2 and min(parameter.shape) > 1


def muon_with_adamw(
    groups: Groups, *, of_muon: dict[str, Any], of_adamw: dict[str, Any], weight_decay: float
) -> optim.Optimizer:
    """One optimizer whose groups are those of torch's two, so that its state is saved as any other's.

    Args:
        groups: with ``params`` and ``lr``; each is divided in two.
        of_muon: further arguments of ``torch.optim.Muon``.
        of_adamw: further arguments of ``torch.optim.AdamW``.
        weight_decay: of both.
    """
    import torch

    class MuonWithAdamW(torch.optim.Optimizer):
        """Each step is one of the parts', which work on the groups and the state that are here."""

        def __init__(self, parts: list[optim.Optimizer]) -> None:
            self._parts = parts
            super().__init__([group for part in parts for group in part.param_groups], {})
            self.param_groups.sort(key=lambda group: group["place"])

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            del closure
            for part in self._parts:
                part.state = self.state
                part.param_groups = [group for group in self.param_groups if group["by"] == type(part).__name__]
                part.step()

    parts: list[optim.Optimizer] = []
    if matrices := _divided(groups, matrices=True):
        parts.append(torch.optim.Muon(matrices, weight_decay=weight_decay, **of_muon))
    if others := _divided(groups, matrices=False):
        parts.append(torch.optim.AdamW(others, weight_decay=weight_decay, fused=True, **of_adamw))
    return MuonWithAdamW(parts)


def _divided(groups: Groups, *, matrices: bool) -> Groups:
    """The groups with only the parameters that are matrices, or that aren't, and without empty ones."""
    by, chosen = "Muon" if matrices else "AdamW", []
    for place, group in enumerate(groups):
        if own := [parameter for parameter in group["params"] if is_matrix(parameter) == matrices]:
            chosen.append(group | {"params": own, "place": place, "by": by})
    return chosen
