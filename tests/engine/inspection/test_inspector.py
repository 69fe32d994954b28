"""Pictures are measured once, a few at a time, with progress, and the work stops when it is told to."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from generators import result
from inspecting import dataset_of
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.core.lru import LRU
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.images import decode
from lora_workbench.engine.inspection import measures
from lora_workbench.engine.inspection.inspector import inspect
from PIL import Image, ImageFile


@dataclass
class Counted:
    """A source that notes how often it was read."""

    name: str
    data: bytes = field(repr=False)
    reads: int = 0

    def read(self) -> bytes:
        self.reads += 1
        return self.data


def noisy_set(count: int, seed: int) -> tuple[Dataset, list[Counted]]:
    """Pictures that no other test has measured."""
    rng = np.random.default_rng(seed)
    pictures = {
        f"{number}.png": Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for number in range(count)
    }
    dataset = dataset_of(pictures)
    sources = [Counted(record.name, record.read()) for record in dataset]
    records = [replace(record, source=source) for record, source in zip(dataset, sources, strict=True)]
    return replace(dataset, records=tuple(records)), sources


def test_an_unchanged_picture_is_not_measured_again() -> None:
    dataset, sources = noisy_set(6, seed=1)
    first = result(inspect(dataset, side=32))
    shuffled = replace(dataset, records=tuple(replace(r, caption="another one") for r in reversed(dataset.records)))
    second = result(inspect(shuffled, side=32, goal="style"))
    assert [source.reads for source in sources] == [1] * 6
    assert [p.measures for p in reversed(second.pictures)] == [p.measures for p in first.pictures]
    result(inspect(dataset, side=16))
    assert [source.reads for source in sources] == [2] * 6


def test_the_measures_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_KEPT", LRU(3))
    dataset, sources = noisy_set(6, seed=2)
    for _ in range(2):
        result(inspect(dataset, side=32))
    assert 9 <= sum(source.reads for source in sources) <= 12


def test_progress_is_reported_in_order() -> None:
    events = list(inspect(noisy_set(5, seed=3)[0], side=32))
    assert [(e.done, e.total) for e in events if isinstance(e, Progress)] == [(n, 5) for n in range(1, 6)]


def test_closing_stops_the_work() -> None:
    dataset, sources = noisy_set(200, seed=4)
    events = inspect(dataset, side=32)
    next(events)
    events.close()
    read = sum(source.reads for source in sources)
    assert read < 60, "no more than a few pictures are read ahead"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("inspect")]


def test_threads_leave_the_switch_of_pillow_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    result(inspect(noisy_set(20, seed=5)[0], side=32))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_large_jpegs_are_decoded_small(photographs: dict[str, Image.Image]) -> None:
    from damage import jpeg_bytes

    data = jpeg_bytes(photographs["coffee"].resize((960, 640)), 90)
    assert decode(data, "large.jpg").size == (960, 640)
    assert decode(data, "large.jpg", at_least=300).size == (480, 320)
    assert decode(data, "large.jpg", at_least=400).size == (960, 640)


@pytest.mark.parametrize(("goal", "side"), [("landscape", 512), ("subject", 0)])
def test_what_makes_no_sense_is_refused(goal: str, side: int) -> None:
    with pytest.raises(ConfigError, match="Can't inspect for"):
        result(inspect(Dataset(name="none", records=()), goal=goal, side=side))  # type: ignore[arg-type]
