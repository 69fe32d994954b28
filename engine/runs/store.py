"""The run store: a folder of finished runs, training states and caches, by content."""

from __future__ import annotations

from pathlib import Path

from ..core.cache import TensorCache, TextCache

TRAINED = "lw.trained"
"""Metadata field of results that are all weights of a base model, not an adapter."""


class RunStore:
    """Paths below one folder. Everything in it can be recomputed, given time.

    ``runs/<lineage>/`` belongs to one base model, data set, recipe and seed, with any number of steps:

    - ``<steps>.safetensors``: a finished adapter, or all weights of a base model; its losses are in ``<steps>.json``;
    - ``<steps>.state.safetensors``: the training state of a run to that many steps;
    - ``snapshots/<step>.safetensors``: the adapter after a step; what was measured of it is in ``<step>.json``;
    - ``lock``: held by the process that trains.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded = TensorCache(root / "encoded")
        self.captions = TextCache(root / "captions")
        self.rates = TextCache(root / "rates")
        self.held_out = TextCache(root / "held_out")
        self.class_pictures = root / "class_pictures"

    def finished(self, lineage: str, steps: int) -> Path:
        """The adapter of a finished run."""
        return self._run(lineage) / f"{steps:06d}.safetensors"

    def record(self, lineage: str, steps: int) -> Path:
        """The losses of a finished run."""
        return self._run(lineage) / f"{steps:06d}.json"

    def snapshot(self, lineage: str, step: int) -> Path:
        """The adapter as it was after a step."""
        return self._run(lineage) / "snapshots" / f"{step:06d}.safetensors"

    def figures(self, lineage: str, step: int) -> Path:
        """What was measured of the adapter as it was after a step."""
        return self.snapshot(lineage, step).with_suffix(".json")

    def all_figures(self, lineage: str) -> list[Path]:
        """The files of a lineage's figures, by step."""
        return sorted(self.figures(lineage, 0).parent.glob("*.json"))

    def state(self, lineage: str, steps: int) -> Path:
        """The training state of a run to ``steps``, whatever step it has reached."""
        return self._run(lineage) / f"{steps:06d}.state.safetensors"

    def states(self, lineage: str) -> list[Path]:
        """All training states of a lineage."""
        return sorted(self._run(lineage).glob("*.state.safetensors"))

    def steps_of(self, state: Path) -> int:
        """The steps that the run of a training state was to have."""
        return int(state.name.partition(".")[0])

    def lock(self, lineage: str) -> Path:
        """The file locked by the process that trains this lineage."""
        return self._run(lineage) / "lock"

    def _run(self, lineage: str) -> Path:
        return self.root / "runs" / lineage[:24]
