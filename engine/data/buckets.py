"""Aspect-ratio buckets: sizes of about equal numbers of pixels, so that pictures need little cropping."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from ..core.events import Event, Progress
from ..core.fields import one_of, positive, raise_all
from .dataset import Dataset, ImageRecord
from .focus import SMALL, best_centering, importance
from .views import Crop, Size, fitted

CROPS = ("subject", "middle")


@dataclass(frozen=True, kw_only=True)
class BucketSettings:
    """Which sizes there are, and what of a picture is taken."""

    resolutions: tuple[int, ...]
    """Sides of squares, in pixels: each a budget of so many pixels, and a picture is a sample at each that it fills."""
    step: int = 64
    """Sides are multiples of it."""
    max_aspect: float = 2.0
    """Longest side over shortest; longer pictures are cropped to it."""
    crop: str = "subject"
    """What a crop keeps: the ``subject``, by the mask or by what stands out, or the ``middle``."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(problems, self, "step", "max_aspect")
        one_of(problems, self, "crop", CROPS)
        if not self.resolutions:
            problems.append("resolutions: got none, expected at least one")
        problems += [
            f"resolutions: got {side}, expected at least the step, {self.step}"
            for side in self.resolutions
            if side < self.step
        ]
        if self.max_aspect < 1:
            problems.append(f"max_aspect: got {self.max_aspect:g}, expected 1 or more")
        raise_all(problems, "buckets")


def bucket_sizes(resolution: int, step: int, max_aspect: float) -> list[Size]:
    """Every size with sides of multiples of ``step`` that has at most ``resolution`` squared pixels and no room left.

    As in kohya's trainers: for each width the largest height within the budget, and both turned round.
    """
    sizes: set[Size] = set()
    for width in range(step, int(resolution * math.sqrt(max_aspect)) + step, step):
        height = resolution**2 // width // step * step
        if height and max(width, height) / min(width, height) <= max_aspect:
            sizes |= {(width, height), (height, width)}
    square = resolution // step * step
    return sorted(sizes | {(square, square)})


def bucketed(dataset: Dataset, settings: BucketSettings) -> Generator[Event, None, Dataset]:
    """The data set with a frame for each picture and resolution, of the size whose shape comes nearest.

    A picture that is smaller than a resolution's pixels is left to the smaller resolutions; one that is smaller than
    all is enlarged to the smallest. None is left out.

    Args:
        dataset: its pictures are decoded one at a time where something is cropped around the subject.
        settings: which sizes there are.

    Raises:
        DatasetError: a picture or mask can't be read any more.
    """
    sizes = {side: bucket_sizes(side, settings.step, settings.max_aspect) for side in sorted(settings.resolutions)}
    records = []
    for number, record in enumerate(dataset, 1):
        wanted = [_nearest(record, sizes[side]) for side in _filled(record, list(sizes))]
        records.append(replace(record, crops=tuple(_crops(record, wanted, settings.crop))))
        yield Progress(done=number, total=len(dataset), label="cropping pictures")
    return replace(dataset, records=tuple(records))


def _filled(record: ImageRecord, sides: Sequence[int]) -> Sequence[int]:
    return [side for side in sides if record.width * record.height >= side**2] or sides[:1]


def _nearest(record: ImageRecord, sizes: Sequence[Size]) -> Size:
    """The size of the nearest shape; of several the largest."""
    shape = math.log(record.width / record.height)
    return min(sizes, key=lambda size: (abs(math.log(size[0] / size[1]) - shape), -size[0] * size[1]))


def _crops(record: ImageRecord, sizes: Sequence[Size], crop: str) -> list[Crop]:
    size = (record.width, record.height)
    crops = [fitted(size, wanted) for wanted in sizes]
    if crop == "middle" or all(_share(record, crop) > 0.999 for crop in crops):
        return crops
    matters = importance(record.load(at_least=SMALL), record.mask.load() if record.mask else None)
    return [fitted(size, crop.size, best_centering(matters, _kept(record, crop))) for crop in crops]


def _kept(record: ImageRecord, crop: Crop) -> tuple[float, float]:
    left, top, right, bottom = crop.box
    return (right - left) / record.width, (bottom - top) / record.height


def _share(record: ImageRecord, crop: Crop) -> float:
    across, down = _kept(record, crop)
    return across * down


@dataclass(frozen=True, kw_only=True)
class BucketReport:
    """What became of the pictures of a data set in buckets."""

    buckets: dict[Size, int]
    """Size -> pictures in it, repeats not counted."""
    cropped: tuple[tuple[str, float], ...]
    """Name and share kept of pictures that lose more than a quarter of their area."""
    enlarged: tuple[tuple[str, float], ...]
    """Name and factor of pictures that are smaller than their frame."""

    def in_words(self) -> str:
        """A table of the sizes, then what is worth a look."""
        lines = [f"{width} x {height}: {count}" for (width, height), count in self.buckets.items()]
        lone = sum(count == 1 for count in self.buckets.values())
        if lone and len(self.buckets) > 1:
            lines.append(
                f"{lone} sizes have a single picture: it is trained on, in a batch of its own. A larger step or "
                "smaller max_aspect makes fewer sizes."
            )
        if self.cropped:
            lines.append("Cropped by more than a quarter: " + _listed(f"{n} keeps {s:.0%}" for n, s in self.cropped))
        if self.enlarged:
            lines.append("Enlarged, so not sharp: " + _listed(f"{n} {f:.2g} times" for n, f in self.enlarged))
        return "\n".join(lines)


def bucket_report(dataset: Dataset) -> BucketReport:
    """Look over a data set that ``bucketed`` gave."""
    sizes = Counter(crop.size for record in dataset for crop in record.crops)
    shares = [(r.name, min(_share(r, crop) for crop in r.crops)) for r in dataset if r.crops]
    factors = [(r.name, crop.size[0] / (crop.box[2] - crop.box[0])) for r in dataset for crop in r.crops]
    return BucketReport(
        buckets=dict(sorted(sizes.items())),
        cropped=tuple((name, share) for name, share in shares if share < 0.75),
        enlarged=tuple((name, factor) for name, factor in factors if factor > 1.01),
    )


def _listed(parts: Sequence[str] | Generator[str, None, None], most: int = 8) -> str:
    parts = list(parts)
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")
