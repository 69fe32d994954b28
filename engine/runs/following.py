"""What there is to see of a run, from the run store: while it trains, between its parts, and when it has ended."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.figures import Figures
from ..evaluation.sample_verdict import judged
from .about import noted
from .listing import recipe_of, running_steps, trained_of
from .measuring import kept_course, kept_figures
from .record import read_record
from .sample_files import SUFFIX, KeptSamples, read_samples
from .store import RunStore

_MOST_RATES = 200
_NAME = re.compile(r"([0-9a-f]{8,64})-(\d{1,9})")


def run_name(lineage: str, steps: int) -> str:
    """What pages call a run: the name of its folder in the run store, and its steps."""
    return f"{RunStore.folder_name(lineage)}-{steps}"


def of_name(name: str) -> tuple[str, int] | None:
    """Lineage and steps of a run's name; ``None`` for anything else."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def seen(store: RunStore, lineage: str, steps: int) -> dict[str, Any] | None:
    """What pages show of a run, as JSON values; ``None`` if the run store doesn't know it.

    ``losses`` are those of the steps from the first on, up to the latest training state of a run that isn't finished;
    ``prior`` is what regularization pictures have of them, ``None`` at steps where it isn't known, and empty without
    any; ``running`` tells whether a process trains it now, ``can_sample`` whether it has sample prompts; ``figures``
    have the mean loss of training and held-out pictures by snapshot.
    """
    record, about = read_record(store.record(lineage, steps)), noted(store, lineage, steps)
    if not record and about is None:
        return None
    latest = _latest(store, lineage, steps)
    recipe = recipe_of(latest)
    trained = trained_of(store, lineage, steps)
    losses = trained.get("losses", [])
    figures = kept_figures(store, lineage, recipe) if recipe else _own_figures(store, lineage, steps)
    verdict = judged(figures, kept_course(store, lineage, len(losses) if record.get("ended_early") else steps))
    return {
        "run": run_name(lineage, steps),
        "name": about.name if about else "",
        "finished": bool(record),
        "running": running_steps(store, lineage) == steps,
        "stopped_at": about.stopped_at if about and not record else 0,
        "steps": steps,
        "losses": losses,
        "prior": _known(trained.get("parts", {}).get("prior", [])),
        "learning_rates": _thinned(recipe.learning_rates(steps)) if recipe else [],
        "figures": [{"step": f.step, "training": f.training_loss, "held": f.held_loss} for f in figures],
        "snapshots": sorted({file.step for file in store.snapshots(lineage) if file.steps == steps}),
        "can_sample": bool(about and about.sample_prompts),
        "verdict": verdict.facts() if verdict else None,
        "samples": [{"step": kept.step, "prompts": list(kept.prompts)} for kept in samples(store, lineage, steps)],
        "memory": str(record.get("memory", "")),
        "ended_early": str(record.get("ended_early", "")),
    }


def samples(store: RunStore, lineage: str, steps: int) -> list[KeptSamples]:
    """The sample pictures of a run, by step."""
    return sorted(read_samples(store.samples(lineage, steps)), key=lambda kept: kept.step)


def sample_file(store: RunStore, lineage: str, steps: int, step: int, number: int) -> Path | None:
    """A sample picture, WebP; the number counts the prompts from 1. ``None`` if there is none."""
    path = store.samples(lineage, steps) / f"{step:06d}" / f"{number}{SUFFIX}"
    return path if path.is_file() else None


def _latest(store: RunStore, lineage: str, steps: int) -> Path | None:
    """The newest adapter of a run."""
    finished = store.finished(lineage, steps)
    own = [file.path for file in store.snapshots(lineage) if file.steps == steps]
    return finished if finished.is_file() else own[-1] if own else None


def _own_figures(store: RunStore, lineage: str, steps: int) -> tuple[Figures, ...]:
    found = (Figures.load(path) for _, length, path in store.all_figures(lineage) if length == steps)
    return tuple(figures for figures in found if figures)


def _known(values: Sequence[float]) -> list[float | None]:
    """The same for JSON, which has no NaN."""
    return [value if math.isfinite(value) else None for value in values]


def _thinned(rates: Sequence[float]) -> list[float]:
    """At most so many of them, evenly, with the first and the last."""
    if len(rates) <= _MOST_RATES:
        return list(rates)
    return [rates[round(at * (len(rates) - 1) / (_MOST_RATES - 1))] for at in range(_MOST_RATES)]
