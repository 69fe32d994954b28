"""How much of a run is measured, so that it stays cheap beside the steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..data.dataset import Dataset
from ..training.recipe import Recipe
from ..training.snapshot_steps import due_snapshots
from .draws import BANDS, SIGNS

SHARE = 0.1
"""Of the time of the steps between two snapshots, what measuring one of them may take."""
MOST_PICTURES = 32
"""Of either kind: more hardly change a mean or an AUC."""
MOST_DRAWS = 4
"""In each band of noise levels, beyond which the pictures' own differences are what is left."""
LEAST_PICTURES = 4
"""Of either kind, where there are as many: with fewer, an AUC says nothing."""
_STEP = 3
"""Forward passes that a sample of a step takes: one forward, and a backward pass of about twice as much."""
_PASSES = BANDS * SIGNS
"""Forward passes of one picture for one draw in each band."""


@dataclass(frozen=True, kw_only=True)
class MeasuringPlan:
    """How many pictures are measured at each snapshot, and how well."""

    held: int
    """Held-out pictures."""
    members: int
    """Training pictures."""
    draws: int
    """In each band of noise levels, each with its noise negated too."""
    drifting: int
    """Training pictures whose captions of the class are predicted too, at the noisiest band."""
    share: float = 0.0
    """Time of measuring a snapshot over that of the steps between two."""

    @property
    def passes(self) -> int:
        """Forward passes at each snapshot. The base model's own are as many, once in a run."""
        return self.draws * (_PASSES * (self.held + self.members) + SIGNS * self.drifting)

    @property
    def is_dear(self) -> bool:
        """Whether measuring takes more than it should, since fewer pictures would tell nothing."""
        return self.share > SHARE

    def in_words(self) -> str:
        """For example ``at each snapshot 5 held-out and 8 training pictures are measured, in about 9% of the time``."""
        pictures = " and ".join(
            f"{count} {kind}" for count, kind in ((self.held, "held-out"), (self.members, "training")) if count
        )
        return f"at each snapshot {pictures} pictures are measured, in about {self.share:.0%} of the time of the steps"


def measuring_plan(*, held: int, members: int, passes: float, has_classes: bool) -> MeasuringPlan:
    """Share out the forward passes that may be spent: first on pictures, then on draws.

    Args:
        held: pictures that were held out.
        members: pictures that are trained on, 1 or more.
        passes: forward passes that the steps between two snapshots are worth, as from :func:`passes_between`.
        has_classes: whether there are captions of the class to measure drift with.
    """
    drifting = min(members, LEAST_PICTURES) if has_classes else 0
    room, for_drift = SHARE * passes, drifting * SIGNS
    pictures = max(int((room - for_drift) // _PASSES), _least(held) + _least(members))
    held_now = min(held, MOST_PICTURES, max(pictures // 2, pictures - members, _least(held)))
    members_now = min(members, MOST_PICTURES, max(pictures - held_now, _least(members)))
    draws = min(MOST_DRAWS, max(1, int(room // (_PASSES * (held_now + members_now) + for_drift))))
    made = MeasuringPlan(held=held_now, members=members_now, draws=draws, drifting=drifting)
    return replace(made, share=made.passes / passes)


def measured_steps(recipe: Recipe, dataset: Dataset) -> list[int]:
    """The steps after which a run on a data set is measured, rising: those of its snapshots, and the last."""
    return [*due_snapshots(recipe, dataset), recipe.schedule.steps]


def passes_between(recipe: Recipe, snapshots: int, *, trained: int, taught: int, processes: int = 1) -> float:
    """Forward passes that the steps between two snapshots are worth on average, those of the base model counted as one
    more snapshot.

    Args:
        recipe: of the run.
        snapshots: that are measured, the last step included.
        trained: samples that a micro-batch sends forward and backward.
        taught: those that it sends forward only.
        processes: that share the micro-batches of a step, while one of them measures.
    """
    steps = recipe.schedule.steps / (snapshots + 1)
    micro_batches = -(-recipe.batches.gradient_accumulation // processes)
    return steps * micro_batches * (_STEP * trained + taught)


def _least(there: int) -> int:
    return min(there, LEAST_PICTURES)
