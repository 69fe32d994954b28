"""Predictions of a base model with an adapter that has fewer ranks at noisier levels, as a recipe asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..diffusion.noisy_ranks import only_ranks, ranks_on
from ..models.contract import Backbone, Conditioning, Timesteps
from .settings import AdapterSettings

if TYPE_CHECKING:
    from torch import Tensor


def with_noisy_ranks(backbone: Backbone, settings: AdapterSettings) -> Backbone:
    """The base model as a loss sees it: its predictions have the ranks of their noise levels, where that is asked for.

    Others who predict with the base model, such as sample pictures, have all ranks.
    """
    if settings.kind != "lora" or settings.noisy_rank in (0, settings.rank):
        return backbone
    return cast(Backbone, _Ranked(backbone, settings))


class _Ranked:
    """A base model whose ``predict`` looks up the noise levels that its ``timesteps`` were last asked for."""

    def __init__(self, backbone: Backbone, settings: AdapterSettings) -> None:
        self._backbone, self._settings = backbone, settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def timesteps(self, u: Tensor) -> Timesteps:
        made = self._backbone.timesteps(u)
        self._u, self._t = u.to(made.t.device), made.t
        return made

    def predict(self, x_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        """As ``Backbone.predict``; samples may be repeated, and in any order."""
        settings = self._settings
        u = self._u[(t[:, None] == self._t).float().argmax(dim=1)]
        on = ranks_on(u, rank=settings.rank, least=settings.noisy_rank, power=settings.noisy_rank_power)
        with only_ranks(on):
            return self._backbone.predict(x_t, t, conditioning)
