"""Which blocks of a denoiser are checkpointed, so that a training step fits into the memory that is free."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.words import counted as number_of
from .demand import Demand
from .room import gigabytes

_SPARE = 0.1
"""Share of the free memory that is left alone: kernels need room for themselves, and freed pieces don't always fit."""
_NEXT = 0.25
"""Share of the blocks that are checkpointed in addition when a step runs out of memory."""


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """What a run does to fit into memory."""

    checkpointed: int
    """Blocks whose activations are computed again, those that keep the most first."""
    blocks: int
    """Of the denoiser."""
    streamed: int = 0
    """Blocks, among those, whose weights stay in host memory."""
    needed: int | None = None
    """Bytes that a step needs beyond the weights; ``None`` if they weren't counted."""
    free: int | None = None
    """Bytes that were free when the plan was made; ``None`` if the device doesn't tell."""
    by_hand: bool = False
    """Whether the recipe chose it."""
    remark: str = ""
    """What else a person should know, as a sentence."""
    uncounted: str = ""
    """Why nothing was counted, for people."""

    @property
    def fits(self) -> bool:
        """Whether a step is expected to fit; it is where nothing is known."""
        return self.needed is None or self.free is None or self.needed <= usable(self.free)

    @property
    def smaller(self) -> MemoryPlan | None:
        """The next plan that needs less memory, or ``None`` if this is the smallest."""
        if self.checkpointed >= self.blocks:
            return None
        more = self.checkpointed + max(1, round(_NEXT * self.blocks))
        return replace(self, checkpointed=min(self.blocks, more), needed=None, uncounted="a step ran out of memory")

    def __str__(self) -> str:
        """In a sentence: what is done, what is needed, and why."""
        return f"memory: {self.doing}; {self._why()}. {self.remark}".strip()

    @property
    def doing(self) -> str:
        """What is done, in words."""
        if not self.checkpointed:
            return "all activations are kept"
        streamed = f", and the weights of {self.streamed} stream in from host memory" if self.streamed else ""
        each = "all" if self.checkpointed >= self.blocks else f"{self.checkpointed} of"
        return f"activations of {each} {number_of(self.blocks, 'block')} are computed again{streamed}"

    def _why(self) -> str:
        if self.needed is None:
            return self.uncounted or "the recipe says so"
        needed = f"a step needs about {gigabytes(self.needed)} beside the weights"
        if self.free is None:
            return needed
        if not self.fits:
            return (
                f"{needed}, and only {gigabytes(self.free)} are free: use smaller pictures, a smaller batch, or the "
                "base model in fewer bits"
            )
        return f"{needed}, and {gigabytes(self.free)} are free"


def usable(free: int) -> int:
    """Bytes of the free memory that a plan may count on."""
    return round(free * (1 - _SPARE))


def planned(setting: str, demand: Demand, free: int | None, streaming: str = "none") -> MemoryPlan:
    """The plan for the settings ``checkpointing`` and ``streaming``.

    Args:
        setting: ``auto``, ``none``, ``all`` or a number of blocks to checkpoint.
        demand: what a step needs.
        free: bytes on the device, ``None`` if it doesn't tell.
        streaming: the same for blocks to stream, which are checkpointed too.
    """
    blocks = len(demand.blocks)
    if setting == "auto":
        number = 0 if free is None else demand.smallest_plan(usable(free))
    else:
        number = blocks_of_setting(setting, blocks)
    if streaming == "auto":
        tight = setting == "auto" and free is not None and demand.checkpointed(number) > usable(free)
        streamed = _fewest_streamed(demand, usable(free or 0)) if tight else 0
    else:
        streamed = blocks_of_setting(streaming, blocks)
    number = max(number, streamed)
    return MemoryPlan(
        checkpointed=number,
        blocks=blocks,
        streamed=streamed,
        needed=demand.streamed(streamed) if streamed else demand.checkpointed(number),
        free=free,
        by_hand=setting != "auto",
    )


def _fewest_streamed(demand: Demand, room: int) -> int:
    """The least number of blocks to stream with which a step fits; all, if none will do."""
    numbers = range(1, len(demand.blocks) + 1)
    return next((number for number in numbers if demand.streamed(number) <= room), len(demand.blocks))


def blocks_of_setting(setting: str, blocks: int) -> int:
    """The number of blocks that ``none``, ``all`` or a number means for a model of that many."""
    return min(int(setting), blocks) if setting.isdigit() else {"all": blocks}.get(setting, 0)
