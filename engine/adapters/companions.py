"""Companions: adapters beside the one that is trained, each with a role.

- *training only*: on while training, off in sample pictures. A distilled base model is trained with an adapter that
  undoes its distillation, so that what is learned fits the distilled model itself.
- *context*: on in both; it is part of the base model.
- *start from*: its values are the first values of the adapter that is trained.

None of them is in the file of the trained adapter, apart from the values that training started from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.errors import AdapterError
from .binding import HasComponents
from .frozen import Frozen
from .fused import bind_to
from .stack import Stack, StackEntry

if TYPE_CHECKING:
    import torch
    from torch import nn

ROLES = {"training_only": "training only", "context": "context", "start_from": "start from"}
"""Role -> how people read it."""


@dataclass(frozen=True, kw_only=True)
class Companions:
    """The companions of a run that have an effect, by role."""

    training_only: Stack = field(default_factory=Stack)
    context: Stack = field(default_factory=Stack)
    start_from: StackEntry | None = None

    @staticmethod
    def of(stack: Stack | None) -> Companions:
        """The enabled entries of a stack with a nonzero weight.

        Raises:
            AdapterError: one has no role, or training should start from several.
        """
        if stack:
            stack.refuse_varying("a training")
        by_role: dict[str, Stack] = {role: Stack() for role in ROLES}
        for entry in stack.active() if stack else ():
            if entry.role not in by_role:
                raise AdapterError(
                    f"The companion {entry.adapter.name} has no role.",
                    expected=f"one of {', '.join(ROLES)}",
                    hint="add it by the node Companion Adapter, where its role is chosen.",
                )
            by_role[entry.role] = by_role[entry.role].adding(entry)
        starts = by_role["start_from"].entries
        if len(starts) > 1:
            raise AdapterError(
                f"Training can't start from {' and '.join(entry.adapter.name for entry in starts)} at once.",
                expected="one companion with the role start_from",
                hint="give the others the role context, or leave them out.",
            )
        return Companions(
            training_only=by_role["training_only"], context=by_role["context"], start_from=starts[0] if starts else None
        )

    @property
    def entries(self) -> tuple[StackEntry, ...]:
        """All of them: what is part of the base model first."""
        return (*self.context.entries, *self.training_only.entries, *([self.start_from] if self.start_from else []))

    @property
    def while_training(self) -> Stack:
        """Those that are on while training."""
        return Stack((*self.context.entries, *self.training_only.entries))

    def facts(self) -> list[dict[str, Any]]:
        """For reports and metadata: ``name``, ``role``, ``weight`` and content ``hash`` of each, and ``blocks`` of
        those with block weights."""
        return [
            {"name": e.adapter.name, "role": e.role, "weight": e.weight, "hash": e.adapter.content_hash}
            | ({"blocks": str(e.blocks)} if e.blocks else {})
            for e in self.entries
        ]

    def identity(self) -> list[list[Any]]:
        """What results depend on."""
        return [[e.role, *e.identity()] for e in self.entries]

    def bound_to(self, base: HasComponents) -> Companions:
        """The companions with the module keys of a base model.

        Raises:
            AdapterError: one doesn't fit, or only partly; the message names it.
        """

        def bound(entry: StackEntry) -> StackEntry:
            return replace(entry, adapter=bind_to(base, entry.adapter))

        return Companions(
            training_only=Stack(tuple(map(bound, self.training_only.entries))),
            context=Stack(tuple(map(bound, self.context.entries))),
            start_from=bound(self.start_from) if self.start_from else None,
        )


def text_part(stack: Stack) -> Stack:
    """The adapters of a stack that change a text encoder, without their effect on the denoiser."""
    return Stack(
        tuple(
            replace(entry, weight=0.0)
            for entry in stack.active()
            if entry.text_encoder_weight and any(not key.startswith("denoiser.") for key in entry.adapter.modules)
        )
    )


@contextlib.contextmanager
def beside(
    base: HasComponents, companions: Companions, components: Mapping[str, nn.Module], dtype: torch.dtype
) -> Iterator[Frozen]:
    """Within the block, the layers of the components carry what is on while training.

    Args:
        base: that the companions are bound to.
        companions: those of the run.
        components: component -> module.
        dtype: of the denoiser's activations.

    Yields:
        What is on while training only, to be switched off for pictures.

    Raises:
        AdapterError: a companion changes a norm, or a bias that isn't there.
    """
    with contextlib.ExitStack() as block:
        held = []
        for stack in (companions.context, companions.training_only):
            held.append(Frozen(base, stack, components, dtype))
            block.callback(held[-1].remove)
        yield held[-1]
