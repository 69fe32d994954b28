"""The run store: a folder of finished runs, training states and caches, by content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from ..core.cache import PictureCache, TensorCache, TextCache

TRAINED = "lw.trained"
"""Metadata field of results that are all weights of a base model, not an adapter."""


Wanted = Literal["stop", "sample", "snapshot"]
"""What a run in progress can be asked for, by a file of this name."""
REQUESTS: tuple[Wanted, ...] = get_args(Wanted)
JOBS = "jobs"
"""Name of the folder of agents' jobs."""
EVENTS = "events"
"""Name of the folder of TensorBoard events."""
REPORT = ".report.html"
"""End of the name of a run's report."""
ABOUT = ".run.json"
"""End of the name of the file that says what a run is called."""
GRAPH = ".graph.json"
"""End of the name of the file that has the graph which trains a run."""
COMPARED = ".samples.json"
"""End of the name of the file that says what drawn pictures tell of a run's snapshots."""
_ASKED = "-asked"
_SNAPSHOT = re.compile(rf"(\d+)-of-(\d+)(?:{_ASKED})?")


class SnapshotFile(NamedTuple):
    """The file of a snapshot, or of what was measured of it."""

    step: int
    """After which it was made."""
    steps: int
    """Of the run that made it: with a decaying learning rate, runs of different lengths have different snapshots."""
    path: Path

    @property
    def asked(self) -> bool:
        """Whether somebody asked for it while the run went on, beside those that were due."""
        return self.path.stem.endswith(_ASKED)


class RunStore:
    """Paths below one folder. Everything in it can be recomputed, given time.

    ``runs/<lineage>/`` belongs to one base model, data set, recipe and seed, with any number of steps:

    - ``<steps>.safetensors``: a finished adapter, or all weights of a base model; what else is known of the run, such
      as its losses, is in ``<steps>.json``;
    - ``<steps>.state.safetensors``: the training state of a run to that many steps;
    - ``snapshots/<step>-of-<steps>.safetensors``: the adapter after a step of a run to that many steps; what was
      measured of it is in a ``.json`` of this name; ``-asked`` before the suffix marks one that somebody asked for;
    - ``samples/<steps>/<step>/``: the sample pictures after a step of a run to that many steps, with their prompts;
    - ``events/<steps>/``: TensorBoard events of the run to that many steps;
    - ``<steps>.samples.json``: what the pictures tell that its snapshots drew when they were last compared;
    - ``<steps>.run.json``: what the run to that many steps is called and trains on;
    - ``<steps>.graph.json``: the graph that trained it last;
    - ``<steps>.report.html``: its report, as it was shown last;
    - ``lock``: held by the process that trains;
    - ``stop``, ``sample``, ``snapshot``: there while it is asked for that.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded = TensorCache(root / "encoded")
        self.captions = TextCache(root / "captions")
        self.rates = TextCache(root / "rates")
        self.held_out = TextCache(root / "held_out")
        self.drawn = PictureCache(root / "drawn")
        self.boards = TextCache(root / "boards")
        self.class_pictures = root / "class_pictures"
        self.jobs = root / JOBS
        """What agents have asked for, a folder a job."""
        self.vault = root / "vault" / "index.sqlite"
        """The index of all adapters, made of their files."""

    def finished(self, lineage: str, steps: int) -> Path:
        """The adapter of a finished run."""
        return self.folder(lineage) / f"{steps:06d}.safetensors"

    def record(self, lineage: str, steps: int) -> Path:
        """The losses of a finished run, and what else is known of it."""
        return self.folder(lineage) / f"{steps:06d}.json"

    def lengths(self, lineage: str) -> list[int]:
        """The steps of the finished runs of a lineage, ascending."""
        stems = (path.stem for path in self.folder(lineage).glob("*.safetensors"))
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def snapshot(self, lineage: str, step: int, steps: int) -> Path:
        """The adapter as it was after a step of a run to ``steps``."""
        return self.folder(lineage) / "snapshots" / f"{step:06d}-of-{steps:06d}.safetensors"

    def asked_snapshot(self, lineage: str, step: int, steps: int) -> Path:
        """The same, where somebody asked for it."""
        due = self.snapshot(lineage, step, steps)
        return due.with_stem(f"{due.stem}{_ASKED}")

    def snapshots(self, lineage: str) -> Iterator[SnapshotFile]:
        """All snapshots of a lineage, by step."""
        return self._of_snapshots(lineage, ".safetensors")

    def figures(self, lineage: str, step: int, steps: int) -> Path:
        """What was measured of the adapter as it was after a step of a run to ``steps``."""
        return self.snapshot(lineage, step, steps).with_suffix(".json")

    def all_figures(self, lineage: str) -> Iterator[SnapshotFile]:
        """All figures of a lineage, by step."""
        return self._of_snapshots(lineage, ".json")

    def samples(self, lineage: str, steps: int) -> Path:
        """The folder of the sample pictures of a run to ``steps``."""
        return self.folder(lineage) / "samples" / f"{steps:06d}"

    def sampled_lengths(self, lineage: str) -> list[int]:
        """The steps of all runs of a lineage that have left sample pictures."""
        return [int(folder.name) for folder in (self.folder(lineage) / "samples").glob("*") if folder.name.isdecimal()]

    def events(self, lineage: str, steps: int) -> Path:
        """The folder of the TensorBoard events of a run to ``steps``."""
        return self.folder(lineage) / EVENTS / f"{steps:06d}"

    def state(self, lineage: str, steps: int) -> Path:
        """The training state of a run to ``steps``, whatever step it has reached."""
        return self.folder(lineage) / f"{steps:06d}.state.safetensors"

    def states(self, lineage: str) -> list[Path]:
        """All training states of a lineage."""
        return sorted(self.folder(lineage).glob("*.state.safetensors"))

    def steps_of(self, state: Path) -> int:
        """The steps that the run of a training state was to have."""
        return int(state.name.partition(".")[0])

    def lock(self, lineage: str) -> Path:
        """The file locked by the process that trains this lineage."""
        return self.folder(lineage) / "lock"

    def about(self, lineage: str, steps: int) -> Path:
        """What a run is called and trains on."""
        return self.folder(lineage) / f"{steps:06d}{ABOUT}"

    def graph(self, lineage: str, steps: int) -> Path:
        """The graph that trained a run last."""
        return self.folder(lineage) / f"{steps:06d}{GRAPH}"

    def report(self, lineage: str, steps: int) -> Path:
        """The report of a run, as it was shown last."""
        return self.folder(lineage) / f"{steps:06d}{REPORT}"

    def compared(self, lineage: str, steps: int) -> Path:
        """What the pictures tell that the snapshots of a run to ``steps`` drew when they were last compared."""
        return self.folder(lineage) / f"{steps:06d}{COMPARED}"

    def request(self, lineage: str, wanted: Wanted) -> Path:
        """The file that asks the process that trains this lineage for something."""
        return self.folder(lineage) / wanted

    def folder(self, lineage: str) -> Path:
        """All files of a lineage."""
        return self.root / "runs" / self.folder_name(lineage)

    @staticmethod
    def folder_name(lineage: str) -> str:
        """What the folder of a lineage is called: the begin of it."""
        return lineage[:24]

    def _of_snapshots(self, lineage: str, suffix: str) -> Iterator[SnapshotFile]:
        for path in sorted((self.folder(lineage) / "snapshots").glob(f"*{suffix}")):
            if found := _SNAPSHOT.fullmatch(path.stem):
                yield SnapshotFile(int(found[1]), int(found[2]), path)
