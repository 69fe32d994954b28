"""The run store: a folder of finished runs, training states and caches, by content."""

from __future__ import annotations

from pathlib import Path

from ..core.cache import TensorCache, TextCache

TRAINED = "lw.trained"
"""Metadata field of results that are all weights of a base model, not an adapter."""


class RunStore:
    """Paths below one folder. Everything in it can be recomputed, given time.

    ``runs/<lineage>/`` belongs to one base model, data set, recipe and seed, with any number of steps:

    - ``<steps>.safetensors``: a finished adapter, or all weights of a base model; what else is known of the run, such
      as its losses, is in ``<steps>.json``;
    - ``<steps>.state.safetensors``: the training state of a run to that many steps;
    - ``snapshots/<step>.safetensors``: the adapter after a step;
    - ``samples/<steps>/<step>/``: the sample pictures after a step of a run to that many steps, with their prompts;
    - ``lock``: held by the process that trains.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded = TensorCache(root / "encoded")
        self.captions = TextCache(root / "captions")
        self.rates = TextCache(root / "rates")
        self.class_pictures = root / "class_pictures"

    def finished(self, lineage: str, steps: int) -> Path:
        """The adapter of a finished run."""
        return self._run(lineage) / f"{steps:06d}.safetensors"

    def record(self, lineage: str, steps: int) -> Path:
        """The losses of a finished run, and what else is known of it."""
        return self._run(lineage) / f"{steps:06d}.json"

    def snapshot(self, lineage: str, step: int) -> Path:
        """The adapter as it was after a step."""
        return self._run(lineage) / "snapshots" / f"{step:06d}.safetensors"

    def samples(self, lineage: str, steps: int) -> Path:
        """The folder of the sample pictures of a run to ``steps``."""
        return self._run(lineage) / "samples" / f"{steps:06d}"

    def sampled_lengths(self, lineage: str) -> list[int]:
        """The steps of all runs of a lineage that have left sample pictures."""
        return [int(folder.name) for folder in (self._run(lineage) / "samples").glob("*") if folder.name.isdecimal()]

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
