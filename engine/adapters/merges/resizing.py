"""An adapter with other ranks, and the difference of two."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ...core.errors import ConfigError
from ...core.events import Event
from ..adapter import Adapter
from ..binding import HasComponents
from ..extraction import Wanted
from ..stack import Stack, StackEntry
from .header import network
from .merging import Merge, Merged, merged

Rule = Literal["rank", "energy", "sv_fro", "sv_ratio"]
RULES: Mapping[Rule, str] = {
    "rank": "the same for all layers",
    "energy": "as many as keep this share of a layer's squared norm, above 0 and at most 1",
    "sv_fro": "as many as keep this share of a layer's norm, above 0 and at most 1, as in sd-scripts",
    "sv_ratio": "singular values of at least the largest one divided by this number, above 1, as in sd-scripts",
}
"""How ranks are chosen -> in words. The rank is the most in all of them."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Which ranks a resized adapter gets."""

    rank: int
    """Of each layer, at most."""
    rule: Rule = "rank"
    threshold: float = 0.95
    """That of the rule; ``rank`` has none."""

    @property
    def wanted(self) -> Wanted:
        """As ``extraction`` has it.

        Raises:
            ConfigError: the threshold is out of the range of its rule.
        """
        least, most = (1.0, float("inf")) if self.rule == "sv_ratio" else (0.0, 1.0)
        if self.rule != "rank" and not least < self.threshold <= most:
            raise ConfigError(
                f"The threshold {self.threshold:g} can't be one of {self.rule}.",
                expected=RULES[self.rule],
                hint="change the threshold: usually 0.9 to 0.99 for energy and sv_fro, 2 to 20 for sv_ratio.",
            )
        if self.rule == "sv_ratio":
            return Wanted(self.rank, negligible=1 / self.threshold)
        if self.rule == "rank":
            return Wanted(self.rank)
        return Wanted(self.rank, energy=self.threshold**2 if self.rule == "sv_fro" else self.threshold)


def resized(
    adapter: Adapter, size: Size, *, name: str = "", base: HasComponents | None = None
) -> Generator[Event, None, Merged]:
    """The adapter as a LoRA of other ranks; everything else that its file says stays.

    Args:
        adapter: of any kind; those that depend on the base model's weights need it.
        size: which ranks.
        name: of the result; by default the adapter's.
        base: the base model.

    Raises:
        AdapterError: it needs the base model and there is none, or doesn't fit it.
        ConfigError: a setting is out of its range.
    """
    how = Merge(method="svd", wanted=size.wanted)
    made = yield from merged(Stack((StackEntry(adapter),)), how, name=name or adapter.name, base=base)
    rule = {"rule": size.rule, "rank": size.rank}
    rule |= {} if size.rule == "rank" else {"threshold": size.threshold}
    facts = {"from": adapter.name, "hash": adapter.content_hash, "kind": adapter.description, **rule}
    metadata = {
        **adapter.metadata,
        **network(made.adapter),
        "modelspec.title": made.adapter.name,
        "lw.resized": json.dumps(facts, ensure_ascii=False),
    }
    return replace(made, adapter=replace(made.adapter, metadata=metadata))


def difference(
    adapter: Adapter,
    less: Adapter,
    how: Merge,
    *,
    weight: float = 1.0,
    name: str,
    base: HasComponents | None = None,
) -> Generator[Event, None, Merged]:
    """What an adapter has beyond another one: their difference. Only the first one's trigger words call it.

    Args:
        adapter: what is subtracted from.
        less: what is subtracted.
        how: the method; ``exact`` joins ranks.
        weight: of what is subtracted.
        name: of the result.
        base: the base model, where kinds depend on its weights.

    Raises:
        AdapterError: as for :func:`~.merging.merged`.
    """
    stack = Stack((StackEntry(adapter), StackEntry(less, -weight, -weight)))
    made = yield from merged(stack, how, name=name, base=base)
    own = {key: adapter.metadata.get(key, "") for key in ("modelspec.trigger_phrase", "lw.triggers")}
    metadata = {key: value for key, value in {**made.adapter.metadata, **own}.items() if value}
    return replace(made, adapter=replace(made.adapter, metadata=metadata))
