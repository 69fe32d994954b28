"""Flaws of single pictures: their kinds, limits and texts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..core.errors import ConfigError
from .measures import Measures, Picture


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of flaw."""

    label: str
    """A few characters for the contact sheet."""
    what: str
    """Predicate for the report: ``3 of 9 pictures are blurred``."""
    advice: str
    weight: float
    """How much one such picture harms training, 0 to 1."""
    drop: bool = True
    """Whether to drop such a picture by default."""


KINDS = {
    "unreadable": Kind(
        label="unreadable", what="can't be read", weight=1.0,
        advice="save them again in an image editor, or remove them",
    ),
    "unreadable_before": Kind(
        label="unreadable before editing", what="without a readable picture before editing", weight=1.0,
        advice="save the pictures before editing again in an image editor, or remove the pairs",
    ),
    "unedited": Kind(
        label="unedited", what="the same before and after editing", weight=0.8,
        advice="edit them, or remove them: the adapter would learn to change nothing",
    ),
    "blurred": Kind(
        label="blurred", what="blurred at the training resolution", weight=0.9,
        advice="replace them with sharper ones, or remove them: the adapter would learn the blur",
    ),
    "upscaled": Kind(
        label="upscaled", what="scaled up from a smaller size", weight=0.8,
        advice="find the originals, or remove them: the adapter would learn soft or blocky edges",
    ),
    "small": Kind(
        label="small", what="smaller than the training resolution", weight=0.5,
        advice="use larger originals, or train at a lower resolution",
    ),
    "dark": Kind(
        label="dark", what="underexposed", weight=0.6,
        advice="brighten them in an image editor, or remove them",
    ),
    "bright": Kind(
        label="overexposed", what="overexposed", weight=0.6,
        advice="replace or remove them: clipped highlights can't be recovered",
    ),
    "flat": Kind(
        label="low contrast", what="low in contrast", weight=0.5,
        advice="raise the contrast, or remove them",
    ),
    "noisy": Kind(
        label="noisy", what="noisy", weight=0.5,
        advice="scale larger originals down, which averages the noise out, or remove them",
    ),
    "compressed": Kind(
        label="compressed", what="damaged by compression", weight=0.6,
        advice="find less compressed originals: the adapter would learn the blocks",
    ),
    "border": Kind(
        label="border", what="framed by bars of one color", weight=0.7,
        advice="crop the bars away: the adapter would reproduce them",
    ),
    "flawed_before": Kind(
        label="flawed before editing", what="flawed before editing", weight=0.5, drop=False,
        advice="look at them: unless to mend it is the edit, replace the pictures before editing",
    ),
    "reshaped": Kind(
        label="other shape before editing", what="of another shape before editing", weight=0.5, drop=False,
        advice="crop both pictures alike, or the adapter is shown parts that don't belong together",
    ),
    "aspect": Kind(
        label="long", what="so long that more than half is cropped away", weight=0.4, drop=False,
        advice="crop them around what the adapter should learn",
    ),
    "duplicate": Kind(
        label="duplicate of", what="copies of others", weight=0.8,
        advice="keep the best of each group: copies are memorized",
    ),
    "odd": Kind(
        label="unlike the rest", what="unlike the rest", weight=0.7, drop=False,
        advice="check that they show what the adapter should learn",
    ),
}  # fmt: skip
"""Name -> kind, the most serious first."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Values of the measures at which a flaw begins; defaults fitted on photographs, see ``docs/inspection.md``."""

    edges: float = 0.38
    """Smallest ``Sharpness.edges``."""
    evenness: float = 0.55
    """Smallest ``Sharpness.evenness``, unless edges are sharp in both directions."""
    finest: float = -1.3
    """Smallest ``Detail.finest``."""
    idle: float = 0.5
    """Largest ``Detail.idle``."""
    highlights: float = 0.6
    """Smallest ``Exposure.highlights``."""
    clipped: float = 0.06
    """Largest ``Exposure.clipped``."""
    contrast: float = 0.12
    """Smallest ``Exposure.contrast``."""
    noise: float = 7.0
    """Largest noise, in gray levels."""
    blockiness: float = 0.9
    """Largest ``compression.blockiness``."""
    jpeg_quality: int = 30
    """Smallest quality setting of a JPEG file."""
    border: float = 0.04
    """Largest share of a picture covered by bars."""
    aspect: float = 2.0
    """Largest ratio of the longer to the shorter side."""
    size: float = 0.95
    """Smallest shorter side, as a share of the training resolution."""

    def stricter(self, by: float) -> Limits:
        """Limits that flag more pictures the larger ``by`` is; 1 changes nothing.

        Raises:
            ConfigError: ``by`` isn't a finite number above 0.
        """
        if not 0 < by < math.inf:
            raise ConfigError(f"Strictness {by!r} can't be used.", expected="a number above 0; 1 is the default")
        least = {name: getattr(self, name) * by for name in _LEAST}
        most = {name: getattr(self, name) / by for name in _MOST}
        return replace(self, **least, **most, aspect=1 + (self.aspect - 1) / by)


_LEAST = ("edges", "evenness", "highlights", "contrast")
_MOST = ("finest", "idle", "clipped", "noise", "blockiness", "border")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flaw of one picture."""

    kind: str
    reason: str
    """With numbers, for example ``its sharpest edges are 6 pixels wide at 512 px``."""
    of: str = ""
    """The picture that this one duplicates."""

    @property
    def label(self) -> str:
        return f"{KINDS[self.kind].label} {self.of}".rstrip()


def flags_of(record: Picture, measures: Measures, side: int, limits: Limits) -> list[Flag]:
    """All flaws of a picture by itself, without duplicates and odd ones; the most serious first."""
    parts = (
        _softness(record, measures, side, limits),
        _size(record, side, limits),
        _exposure(measures, limits),
        _damage(measures, limits),
    )
    found = [Flag(kind=kind, reason=reason) for part in parts for kind, reason in part]
    return sorted(found, key=lambda flag: list(KINDS).index(flag.kind))


def _softness(record: Picture, measures: Measures, side: int, limits: Limits) -> Iterator[tuple[str, str]]:
    edges, evenness = measures.sharpness
    finest, idle = measures.detail
    shorter = min(record.width, record.height)
    at = min(side, shorter)
    width = 1 / max(edges, 1e-3) if edges == edges else math.nan
    if idle > limits.idle and measures.reduced == 1 and (1 - idle) * shorter < limits.size * side:
        yield "upscaled", f"its pixels are repeated; without repeats it has {(1 - idle) * shorter:.0f} px"
    elif finest < limits.finest:
        yield "upscaled", f"at {at} px its finest detail has only {math.exp(finest):.0%} of the usual strength"
    if edges < limits.edges:
        yield "blurred", f"its sharpest edges are {width:.0f} pixels wide at {at} px"
    elif evenness < limits.evenness and edges * evenness < limits.edges:
        yield "blurred", f"motion blur: in one direction its edges are {1 / max(evenness, 1e-3):.1f} times as wide"


def _size(record: Picture, side: int, limits: Limits) -> Iterator[tuple[str, str]]:
    shorter, longer = sorted((record.width, record.height))
    if shorter < limits.size * side:
        yield "small", f"{record.width} x {record.height} pixels, but training uses {side} px"
    if longer > limits.aspect * shorter:
        yield "aspect", f"{record.width} x {record.height} pixels: a square crop shows {shorter / longer:.0%} of it"


def _exposure(measures: Measures, limits: Limits) -> Iterator[tuple[str, str]]:
    highlights, clipped, contrast = measures.exposure
    if highlights < limits.highlights:
        yield "dark", f"its brightest parts reach {highlights:.0%} of full brightness"
    if clipped > limits.clipped:
        yield "bright", f"{clipped:.0%} of it is clipped"
    if contrast < limits.contrast:
        yield "flat", f"its brightness spans only {contrast:.0%} of the range"


def _damage(measures: Measures, limits: Limits) -> Iterator[tuple[str, str]]:
    if measures.jpeg_quality is not None and measures.jpeg_quality < limits.jpeg_quality:
        yield "compressed", f"JPEG quality {measures.jpeg_quality}"
    elif measures.blockiness > limits.blockiness:
        yield "compressed", f"blocks of an earlier JPEG: steps at their borders are {measures.blockiness:.0%} larger"
    if measures.noise > limits.noise:
        yield "noisy", f"noise of {measures.noise:.0f} gray levels"
    if measures.borders.area > limits.border:
        sides = [name for name, width in measures.borders._asdict().items() if width > 0]
        yield "border", f"bars at {' and '.join(sides)} cover {measures.borders.area:.0%} of it"
