"""What a recipe's settings make of a kind: its first values, and the rank and alpha of each layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import sqrt

from ..adapters.kinds import TRAINED, Gralora, Lokr, TrainableKind
from ..adapters.kinds.first_values import FIRST_VALUES
from ..core.errors import AdapterError
from ..core.words import first_of
from ..models.contract import Backbone
from .rank_patterns import parse_rank_patterns
from .settings import AdapterSettings
from .targets import chosen_layers

_WHOLE = "diffusion_model."
"""What names of all layers in checkpoints begin with; in it, a pattern such as ff would find every layer."""
Size = tuple[int, float]
"""Rank and alpha."""


def trained_kind(settings: AdapterSettings) -> TrainableKind:
    """The kind that is trained, with the recipe's settings of it."""
    if settings.kind == "lora":
        return FIRST_VALUES[settings.init]()
    if settings.kind == "gralora":
        return Gralora(settings.gralora_k)
    return Lokr(settings.lokr_factor) if settings.kind == "lokr" else TRAINED.get(settings.kind)


def sizes_of(base: Backbone, settings: AdapterSettings) -> Callable[[str], Size]:
    r"""Module key -> rank, and the alpha that files have: alpha / rank is the scale.

    With ``rank_stabilized`` that is alpha / :math:`\sqrt{r}`, eq. 4 of rsLoRA (Kalajdzievski 2023, arXiv:2312.03732).

    Raises:
        AdapterError: a pattern has no layers.
    """
    own = _by_pattern(base, settings) if settings.rank_patterns else {}

    def size(key: str) -> Size:
        return _as_in_files(settings, *own.get(key, (settings.rank, settings.alpha)))

    return size


def usual_size(settings: AdapterSettings) -> Size:
    """Rank and alpha, as :func:`sizes_of` has them, of the layers without a pattern."""
    return _as_in_files(settings, settings.rank, settings.alpha)


def _as_in_files(settings: AdapterSettings, rank: int, alpha: float) -> Size:
    return rank, alpha * sqrt(rank) if settings.rank_stabilized else alpha


def _by_pattern(base: Backbone, settings: AdapterSettings) -> dict[str, Size]:
    """Module key -> rank and alpha of the first pattern that is found in one of its names."""
    left, found, idle = chosen_layers(base, settings), {}, []
    names = [layer.own[0] for layer in left]
    for pattern, rank, alpha in parse_rank_patterns(settings.rank_patterns):
        search = re.compile(pattern).search
        own = [layer for layer in left if any(search(name.removeprefix(_WHOLE)) for name in layer.names)]
        left = [layer for layer in left if layer not in own]
        size = rank, settings.alpha * rank / settings.rank if alpha is None else alpha
        found |= {layer.key: size for layer in own}
        idle += [] if own else [pattern]
    if idle:
        raise AdapterError(
            f"rank_patterns has patterns without layers: {first_of(idle)}.",
            expected=f"regular expressions for layers that are trained, such as {first_of(names, 4)}",
            hint="correct or remove them; a layer has the size of the first pattern that matches it.",
        )
    return found
