"""The run store: the folder in which finished runs, training states and caches lie, by content."""

from __future__ import annotations

from pathlib import Path

from ..core.cache import TensorCache, TextCache


class RunStore:
    """Paths below one folder; everything in it can be made again, at the price of time.

    ``runs/<lineage>/`` holds what belongs to one base, data set, recipe and seed, whatever the number of steps:
    ``<steps>.safetensors``, a finished adapter, with its losses in ``<steps>.json``; ``<steps>.state.safetensors``, the
    training state on the way to so many steps; ``snapshots/<step>.safetensors``, the adapter as it was after a step.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded = TensorCache(root / "encoded")
        self.captions = TextCache(root / "captions")
        self.class_pictures = root / "class_pictures"

    def finished(self, lineage: str, steps: int) -> Path:
        """Where the adapter of a finished run lies."""
        return self._run(lineage) / f"{steps:06d}.safetensors"

    def record(self, lineage: str, steps: int) -> Path:
        """Where the losses of a finished run lie."""
        return self._run(lineage) / f"{steps:06d}.json"

    def snapshot(self, lineage: str, step: int) -> Path:
        """Where the adapter lies as it was after a step."""
        return self._run(lineage) / "snapshots" / f"{step:06d}.safetensors"

    def state(self, lineage: str, steps: int) -> Path:
        """Where the training state of a run to ``steps`` lies, whatever step it has reached."""
        return self._run(lineage) / f"{steps:06d}.state.safetensors"

    def states(self, lineage: str) -> list[Path]:
        """All training states of a lineage."""
        return sorted(self._run(lineage).glob("*.state.safetensors"))

    def lock(self, lineage: str) -> Path:
        """The file that whoever trains this lineage holds a lock on."""
        return self._run(lineage) / "lock"

    def _run(self, lineage: str) -> Path:
        return self.root / "runs" / lineage[:24]
