"""Aspect-ratio buckets: sizes with about the same number of pixels, so that pictures need little cropping."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from ..core.events import Event, Progress
from ..core.fields import one_of, positive, raise_all
from ..core.words import counted, first_of
from .dataset import Dataset, ImageRecord
from .focus import SMALL, best_centering, importance
from .views import Crop, Size, fitted

CROPS = ("subject", "middle")
_REMNANT = 0.1
"""Of a picture that keeps less than this share of its area, a crop shows nothing that its caption says."""


@dataclass(frozen=True, kw_only=True)
class BucketSettings:
    """Which sizes there are, and how pictures are cropped to them."""

    resolutions: tuple[int, ...]
    """Sides of squares, in pixels. Each square is a pixel budget; a picture becomes a sample at each one it fills."""
    step: int = 64
    """Sides of the buckets are multiples of this, in pixels."""
    max_aspect: float = 2.0
    """Largest ratio of the longer to the shorter side; longer pictures are cropped to it."""
    crop: str = "subject"
    """``subject`` crops around the mask or whatever stands out, ``middle`` around the center."""

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
    """All bucket sizes for a budget of ``resolution`` squared pixels, with sides that are multiples of ``step``.

    As in kohya's trainers: for each width the largest height within the budget, and the same with the sides swapped.
    """
    sizes: set[Size] = set()
    for width in range(step, int(resolution * math.sqrt(max_aspect)) + step, step):
        height = resolution**2 // width // step * step
        if height and max(width, height) / min(width, height) <= max_aspect:
            sizes |= {(width, height), (height, width)}
    square = resolution // step * step
    return sorted(sizes | {(square, square)})


def bucketed(dataset: Dataset, settings: BucketSettings) -> Generator[Event, None, Dataset]:
    """The data set with one crop for each picture and resolution, to the bucket with the nearest aspect ratio.

    A picture with fewer pixels than a resolution is only used at the smaller resolutions; one with fewer than all of
    them is enlarged to the smallest. No picture is dropped.

    Args:
        dataset: where pictures are cropped around the subject, they are decoded one at a time.
        settings: which sizes there are.

    Raises:
        DatasetError: a picture or mask is no longer readable.
    """
    sizes = {side: bucket_sizes(side, settings.step, settings.max_aspect) for side in sorted(settings.resolutions)}
    records = []
    for number, record in enumerate(dataset, 1):
        filled = [side for side in sizes if record.width * record.height >= side**2] or list(sizes)[:1]
        buckets = [_nearest(record, sizes[side]) for side in filled]
        records.append(replace(record, crops=tuple(_crops(record, buckets, settings.crop))))
        yield Progress(done=number, total=len(dataset), label="cropping pictures")
    return replace(dataset, records=tuple(records))


def _nearest(record: ImageRecord, sizes: Sequence[Size]) -> Size:
    """The size with the nearest aspect ratio; of several, the largest."""
    aspect = math.log(record.width / record.height)
    return min(sizes, key=lambda size: (abs(math.log(size[0] / size[1]) - aspect), -size[0] * size[1]))


def _crops(record: ImageRecord, sizes: Sequence[Size], around: str) -> list[Crop]:
    size = (record.width, record.height)
    crops = [fitted(size, wanted) for wanted in sizes]
    if around == "middle" or all(_area_kept(record, crop) > 0.999 for crop in crops):
        return crops
    matters = importance(record.load(at_least=SMALL), record.mask.load() if record.mask else None)
    return [fitted(size, crop.size, best_centering(matters, _sides_kept(record, crop))) for crop in crops]


def _sides_kept(record: ImageRecord, crop: Crop) -> tuple[float, float]:
    """Shares of the width and the height that a crop keeps."""
    left, top, right, bottom = crop.box
    return (right - left) / record.width, (bottom - top) / record.height


def _area_kept(record: ImageRecord, crop: Crop) -> float:
    return math.prod(_sides_kept(record, crop))


@dataclass(frozen=True, kw_only=True)
class BucketReport:
    """How the pictures of a data set were sorted into buckets."""

    buckets: dict[Size, int]
    """Size -> number of pictures, repeats not counted."""
    cropped: tuple[tuple[str, float], ...]
    """Name and share kept of each picture that loses more than a quarter of its area, the smallest share first."""
    enlarged: tuple[tuple[str, float], ...]
    """Name and factor of each picture that is smaller than its bucket, the largest factor first."""
    unfilled: tuple[int, ...] = ()
    """Resolutions that were asked for, and that no picture is large enough for."""

    def in_words(self) -> str:
        """A table of the sizes, then anything worth a look."""
        lines = [f"{width} x {height}: {count}" for (width, height), count in self.buckets.items()]
        single = sum(count == 1 for count in self.buckets.values())
        if single and len(self.buckets) > 1:
            lines.append(
                f"{counted(single, 'size')} with a single picture, which is trained in a batch of its own. A larger "
                "step or a smaller max_aspect gives fewer sizes."
            )
        if self.unfilled:
            lines.append(f"No picture is large enough for {', '.join(map(str, self.unfilled))}, which is left out.")
        if self.cropped:
            kept = [f"{name} keeps {share:.0%}" for name, share in self.cropped]
            lines.append(f"Cropped by more than a quarter: {first_of(kept, 8)}")
        if remnants := [name for name, share in self.cropped if share < _REMNANT]:
            lines.append(
                f"Hardly anything is left of {first_of(remnants, 8)}: remove such pictures, or raise max_aspect."
            )
        if self.enlarged:
            factors = [f"{name} {factor:.2g} times" for name, factor in self.enlarged]
            lines.append(f"Enlarged, so not sharp: {first_of(factors, 8)}")
        return "\n".join(lines)


def bucket_report(dataset: Dataset, resolutions: Sequence[int] = ()) -> BucketReport:
    """Summarize a data set returned by ``bucketed``, which was asked for some resolutions."""
    largest = max((record.width * record.height for record in dataset), default=0)
    sizes = Counter(crop.size for record in dataset for crop in record.crops)
    shares = [(r.name, min(_area_kept(r, crop) for crop in r.crops)) for r in dataset if r.crops]
    factors = [(r.name, crop.size[0] / (crop.box[2] - crop.box[0])) for r in dataset for crop in r.crops]
    return BucketReport(
        buckets=dict(sorted(sizes.items())),
        cropped=tuple(sorted(((name, share) for name, share in shares if share < 0.75), key=itemgetter(1))),
        enlarged=tuple(
            sorted(((name, factor) for name, factor in factors if factor > 1.01), key=itemgetter(1), reverse=True)
        ),
        unfilled=tuple(side for side in sorted(resolutions)[1:] if side**2 > largest),
    )
