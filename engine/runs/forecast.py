"""What a run will take: memory, time and disk, and which smaller cards would do; as a value and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.words import counted, duration
from ..memory.demand import Demand
from ..memory.plan import MemoryPlan, usable
from ..memory.room import gigabytes
from .need import Need
from .trial import Trial

CARDS = (8, 12, 16, 24)
"""Gigabytes of the cards that people have."""
LARGER_CARDS = (16, 24, 48, 80)
"""Of those that all weights are trained on."""
_CONTEXT = 500_000_000
"""Bytes of a card that CUDA takes for itself."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a run will take."""

    name: str
    """Of the data set, or of the slider."""
    plan: MemoryPlan
    weights: int
    """Bytes of what the run leaves as it is: of the denoiser on the device, and of trained text encoders."""
    sizes: Mapping[str, int]
    """How weights may be stored, in words -> the bytes that they would take on a card."""
    demand: Demand | None
    """``None`` where it can't be counted."""
    steps: int
    trial: Trial | None
    """A step on the largest pictures; ``None`` if none was made."""
    search: int = 0
    """Steps at most of a search for the learning rate, before the others."""
    disk: int
    """Bytes of the result, its snapshots, the training state, and the latents and embeddings that are kept."""
    snapshots: int = 0
    """How many are kept."""
    need: Need | None = None
    """Of all weights, if they are trained."""
    saved: int = 0
    """Bytes of the trained base model as a checkpoint in 16 bits."""
    refused: str = ""
    """Why this machine has no room for the run, for people; nothing is counted then."""
    notes: tuple[str, ...] = field(default=())
    """What else the run does first, a sentence each."""

    @property
    def fits(self) -> bool:
        """Whether the run is expected to go through on this machine."""
        return self.plan.fits and not self.refused

    @property
    def cards(self) -> dict[str, str]:
        """Card -> what would make the run fit onto it, in words."""
        if not self.demand:
            return {}
        return {f"{card} GB": self.on_card(card) for card in (LARGER_CARDS if self.need else CARDS)}

    def report(self) -> dict[str, Any]:
        """As plain values: bytes and seconds."""
        return {
            "name": self.name, "checkpointed_blocks": self.plan.checkpointed, "blocks": self.plan.blocks,
            "weights": self.weights, "step_memory": self.plan.needed, "free_memory": self.plan.free,
            "fits": self.fits, "steps": self.steps, "disk": self.disk,
            "step_seconds": self.trial.seconds if self.trial else None,
            "measured_memory": self.trial.memory if self.trial else None,
            "text": str(self), "cards": self.cards,
            **({"all_weights": self.need.report() | {"checkpoint": self.saved}} if self.need else {}),
        }  # fmt: skip

    def __str__(self) -> str:
        """As text, one fact a line."""
        return "\n".join([*self._of_weights(), *self._of_steps(), *self._of_disk(), *self.notes])

    def _of_weights(self) -> Iterator[str]:
        if self.need is None:
            yield f"{self.name}: {self.steps} steps on {gigabytes(self.weights)} of frozen weights."
        else:
            yield f"{self.name}: {self.steps} steps on {gigabytes(self.weights)} of weights."
            yield f"{self.need}"

    def _of_steps(self) -> Iterator[str]:
        yield f"it doesn't fit: {self.refused}" if self.refused else f"{self.plan}"
        if self.trial:
            whole = duration((self.steps + self.search) * self.trial.seconds)
            search = f", with up to {self.search} that search for the learning rate," if self.search else ""
            yield f"measured: a trial step took {self.trial}, so all steps{search} take about {whole}."
        yield from (f"a card of {card}: {found}" for card, found in self.cards.items())

    def _of_disk(self) -> Iterator[str]:
        snapshots = f"{counted(self.snapshots, 'snapshot')}, " if self.snapshots else ""
        if self.need is None:
            yield (
                f"disk: about {gigabytes(self.disk)} for the adapter, {snapshots}the training state, latents and "
                "embeddings."
            )
            return
        yield (
            f"disk: about {gigabytes(self.disk)} for the result, {snapshots}the training state while a newer one is "
            f"written, latents and embeddings; a checkpoint of it in 16 bits takes {gigabytes(self.saved)}."
        )

    def on_card(self, card: int) -> str:
        """What would make the run fit onto a card of so many gigabytes, in words.

        Weights are stored in fewer bits only where computing activations again isn't enough: it rounds them.
        """
        assert self.demand is not None
        for name, size in self.sizes.items():
            room = usable(card * 1_000_000_000 - _CONTEXT) - size
            number = self.demand.smallest_plan(room)
            if self.demand.checkpointed(number) <= room:
                kept = "all activations kept" if not number else f"{number} of {self.plan.blocks} blocks checkpointed"
                return f"weights in {name}, {kept}"
        return "too small for these pictures; use a smaller resolution or batch_size"
