"""What the run store says of a run in progress, or of one that hasn't been finished."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..core.storage import write_json
from .key import Run
from .store import ABOUT, RunStore


@dataclass(frozen=True, kw_only=True)
class About:
    """What a run is called and trains on; no paths."""

    name: str
    base: str
    """Name of the base model."""
    family: str
    dataset: str
    """Name of the data set."""
    pictures: int
    """Of the data set."""
    steps: int
    """Of the whole run."""
    seed: int
    sample_prompts: int = 0
    """How many prompts of sample pictures its recipe has."""
    stopped_at: int = 0
    """The step after which it was asked to stop; 0 if it wasn't."""

    @staticmethod
    def of(run: Run, name: str, stopped_at: int = 0) -> About:
        return About(
            name=name,
            base=run.base.info.name,
            family=run.base.info.family,
            dataset=run.dataset.name,
            pictures=len(run.dataset),
            steps=run.recipe.schedule.steps,
            seed=run.seed,
            sample_prompts=len(run.recipe.samples.sample_prompts),
            stopped_at=stopped_at,
        )


def note(store: RunStore, lineage: str, about: About) -> None:
    """Write it down.

    Raises:
        StorageError: the run store can't be written.
    """
    write_json(store.about(lineage, about.steps), asdict(about))


def noted(store: RunStore, lineage: str, steps: int) -> About | None:
    """What was written down of a run; ``None`` if nothing was, or it is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        known: dict[str, Any] = json.loads(store.about(lineage, steps).read_text(encoding="utf-8"))
        return About(**{f.name: known[f.name] for f in fields(About) if f.name in known})
    return None


def noted_last(store: RunStore, lineage: str) -> int:
    """The steps of the run of a lineage that was begun or taken up last; 0 if nothing was written down."""
    notes = store.folder(lineage).glob(f"[0-9]*{ABOUT}")
    begun = [(path.stat().st_mtime_ns, int(path.name.removesuffix(ABOUT))) for path in notes]
    return max(begun)[1] if begun else 0
