"""The vault: the folder in which finished runs, resume bundles and caches lie, by content."""

from __future__ import annotations

from pathlib import Path

from ..core.cache import TensorCache, TextCache


class RunStore:
    """Paths below one folder; everything in it can be made again, at the price of time.

    ``runs/<lineage>/`` holds what belongs to one base, data set, recipe and seed, whatever the number of steps:
    ``<steps>.safetensors``, a finished adapter, and ``<steps>.state.safetensors``, the state after so many steps.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded = TensorCache(root / "encoded")
        self.captions = TextCache(root / "captions")
        self.class_pictures = root / "class_pictures"

    def finished(self, lineage: str, steps: int) -> Path:
        """Where the adapter of a finished run lies."""
        return self._run(lineage) / f"{steps:06d}.safetensors"

    def state(self, lineage: str, steps: int) -> Path:
        """Where the resume bundle of a run to ``steps`` lies, whatever step it has reached."""
        return self._run(lineage) / f"{steps:06d}.state.safetensors"

    def states(self, lineage: str) -> list[Path]:
        """All resume bundles of a lineage."""
        return sorted(self._run(lineage).glob("*.state.safetensors"))

    def _run(self, lineage: str) -> Path:
        return self.root / "runs" / lineage[:24]
