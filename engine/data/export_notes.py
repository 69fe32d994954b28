"""What a saved data set doesn't say, or says in another way than the data set did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ..core.words import counted, first_of
from .dataset import Dataset
from .exporting import Pictures, Trait
from .layouts import ARCHIVES, ONE_LINE, one_line

_MIN_PICTURES = {"replicate": 10, "fal": 4}
"""Number of pictures that a hosted trainer asks for."""
_NAMED = 12
_UNDONE: dict[Trait, str] = {
    "turned": "Turned upright, and saved as PNG",
    "transparent": "Transparent areas made white, and saved as PNG",
    "color": "Converted to sRGB, and saved as PNG",
    "depth": "Converted to RGB with 8 bits, and saved as PNG",
    "frames": "Only the first frame is saved, as PNG",
    "format": "Saved as PNG, because not every trainer reads the format",
    "metadata": "Saved without their texts and color profiles, which are so large that trainers fail on them",
    "scaled mask": "Masks scaled to the size of their pictures",
}
_KEPT: dict[Trait, str] = {
    "turned": "Upright only for trainers that read EXIF data; others see these turned",
    "transparent": "Transparent; trainers show these areas white, black or in hidden colors",
    "color": "With a color profile, which most trainers ignore, so they see other colors",
    "depth": "Not RGB with 8 bits; trainers convert them in different ways, or fail",
    "frames": "With several frames, of which trainers use one, all or none",
    "format": "Not every trainer reads the format; PNG, JPEG and WebP are safe",
    "metadata": "With texts or color profiles so large that trainers fail on them",
}


def traits_in_words(traits: Mapping[Trait, Sequence[str]], pictures: Pictures) -> Iterator[str]:
    """What was undone, or was kept although trainers may miss it, with the pictures' names."""
    words = _KEPT if pictures == "as they are" else _UNDONE
    for trait, said in words.items():
        if names := list(dict.fromkeys(traits.get(trait, ()))):
            yield f"{said}: {first_of(names, _NAMED)}."


def renamed_in_words(written: Mapping[str, str]) -> Iterator[str]:
    """Which pictures have got other names, as two in different folders had one, or a system can't store theirs.

    Args:
        written: picture -> path of its first file.
    """
    stems = {picture: (PurePosixPath(picture).stem, PurePosixPath(path).stem) for picture, path in written.items()}
    changed = [f"{name} as {new}" for name, (own, new) in stems.items() if new not in (own, f"{own}_end")]
    if changed:
        yield f"Saved under other names, which have to be unique and valid everywhere: {first_of(changed, _NAMED)}."


def notes(dataset: Dataset, layout: str, pictures: Pictures) -> Iterator[str]:
    """What the layout or the kind of pictures leaves out, one sentence each."""
    yield from _about_views(dataset, pictures)
    yield from _about_captions(dataset, layout)
    if len(dataset) < _MIN_PICTURES.get(layout, 0):
        yield f"{counted(len(dataset), 'picture')}; this trainer asks for {_MIN_PICTURES[layout]} or more."
    if layout in ARCHIVES and len({r.repeats for r in dataset}) > 1:
        yield "This trainer has no repeats, so pictures with more repeats are included more than once."
    yield from _about_masks(dataset, layout)
    yield from _about_pairs(dataset, layout)
    if dataset.skipped:
        names = [skipped.name for skipped in dataset.skipped]
        yield f"Skipped when the data set was loaded, so not saved: {first_of(names, _NAMED)}."


def _about_views(dataset: Dataset, pictures: Pictures) -> Iterator[str]:
    cropped = any(record.crops for record in dataset)
    changes = next((record.augmentation for record in dataset if record.augmentation), None)
    if cropped and pictures in ("as shown", "as they are"):
        yield "Crops and their sizes aren't saved, but whole pictures; to save crops, set pictures to crops."
    if not changes:
        return
    if pictures == "crops and variants":
        yield f"Every variant is a picture of its own, so an epoch shows each picture {changes.variety} times as often."
    else:
        kinds = [
            *(["mirrored"] if changes.flip else []),
            *([f"cropped by up to {changes.crop:.0%}"] if changes.crop else []),
            *([f"colors shifted by up to {changes.color:.0%}"] if changes.color else []),
        ]
        yield f"Variants ({', '.join(kinds)}) aren't saved; to save them, set pictures to crops and variants."


def _about_captions(dataset: Dataset, layout: str) -> Iterator[str]:
    if layout in ONE_LINE and (
        names := [r.name for r in dataset if r.caption and r.caption.strip() != one_line(r.caption)]
    ):
        yield f"Captions of several lines are saved as one, since this trainer reads lines: {first_of(names, _NAMED)}."
    bare = [record.name for record in dataset if not (record.caption or "").strip()]
    if bare:
        instead = "; the trainer uses the folder's name for them" if layout == "kohya" else ""
        yield f"Without a caption: {len(bare)} of {len(dataset)} pictures{instead}: {first_of(bare, _NAMED)}."


def _about_masks(dataset: Dataset, layout: str) -> Iterator[str]:
    masks = [record.mask for record in dataset if record.mask]
    if not masks:
        return
    if layout == "replicate":
        yield f"This trainer doesn't use masks: {len(masks)} were left out."
        return
    floors = sorted({mask.floor for mask in masks if mask.weighs})
    if floors:
        named = ", ".join(f"{floor:g}" for floor in floors)
        yield f"The masks' floor, {named}, isn't saved: set it in LW_MaskDataset or the other trainer again."
    if layout == "kohya":
        yield "Masks are used only with masked_loss and conditioning_data_dir set to their folder."


def _about_pairs(dataset: Dataset, layout: str) -> Iterator[str]:
    pairs = sum(record.reference is not None for record in dataset)
    if not pairs:
        return
    if layout == "replicate":
        yield f"This trainer doesn't train on pairs; left out: {counted(pairs, 'picture')} before editing."
    if layout == "kohya":
        yield (
            "The pictures before editing are in the folder control, which ai-toolkit takes as control_path and "
            "musubi-tuner as control_directory; sd-scripts trains no edit models."
        )
    if layout == "fal" and any(record.mask for record in dataset):
        yield "This trainer uses no masks with pairs."
