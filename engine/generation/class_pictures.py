"""Regularization pictures that a base model draws of the class, kept so that none is drawn twice."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import DatasetError
from ..core.events import Event, Message
from ..core.hashing import bytes_hash
from ..core.keys import content_key
from ..data.dataset import Dataset, ImageRecord
from ..data.images import check_complete, probe
from ..data.sources import FileSource
from ..models.contract import Backbone
from .batch import GenerationRequest, generate
from .png import save_png

_SEEDS = 2**64


def class_pictures(
    base: Backbone, request: GenerationRequest, count: int, root: Path
) -> Generator[Event, None, Dataset]:
    """So many pictures of the class, DreamBooth's (Ruiz et al. 2022, arXiv:2208.12242), each captioned by its prompt.

    Each picture is saved as soon as it is drawn, under a key of all that it follows from. So nothing is
    drawn again when a node runs anew, more pictures continue the earlier ones, and so does a drawing that was
    interrupted.

    Args:
        base: draws them, without adapters.
        request: the prompts, taken in turn, and the first seed; each round over the prompts takes the next seed.
        count: pictures in all.
        root: folder that keeps all class pictures, in a folder for each key.

    Raises:
        StorageError: the folder can't be written.
    """
    folder = root / _key(base, request)[:24]
    missing = [number for number in range(count) if not _is_whole(folder, number)]
    if len(missing) < count:
        yield Message(text=f"{count - len(missing)} of {count} class pictures were drawn before")
    yield from _draw(base, request, missing, folder)
    records = tuple(_record(folder, number, request.prompts) for number in range(count))
    return Dataset(name="class pictures", records=records)


def _key(base: Backbone, request: GenerationRequest) -> str:
    """Of the pictures that a base draws for a request; how many at once doesn't matter."""
    number_format = f"{base.device.type} {base.dtype}"
    plain = replace(request, seeds=request.seeds[:1], batch_size=1)
    return content_key("class pictures", base.info.content_hash, number_format, plain)


def _draw(
    base: Backbone, request: GenerationRequest, missing: Sequence[int], folder: Path
) -> Generator[Event, None, None]:
    """Draw pictures by their numbers, as many seeds of one prompt at a time as the batch takes."""
    prompts = len(request.prompts)
    for place, prompt in enumerate(request.prompts):
        numbers = [number for number in missing if number % prompts == place]
        for at in range(0, len(numbers), request.batch_size):
            chunk = numbers[at : at + request.batch_size]
            seeds = tuple((request.seeds[0] + number // prompts) % _SEEDS for number in chunk)
            drawn = yield from generate(base, replace(request, prompts=(prompt,), seeds=seeds))
            for number, picture in zip(chunk, drawn, strict=True):
                save_png(picture.image, folder / _name(number))


def _name(number: int) -> str:
    return f"class_{number + 1:05d}.png"


def _is_whole(folder: Path, number: int) -> bool:
    source = FileSource(folder, _name(number))
    try:
        check_complete(source.read(), source.name)
    except DatasetError:
        return False
    return True


def _record(folder: Path, number: int, prompts: Sequence[str]) -> ImageRecord:
    source = FileSource(folder, _name(number))
    data = source.read()
    width, height = probe(data, source.name)
    caption = prompts[number % len(prompts)]
    return ImageRecord(source=source, content_hash=bytes_hash(data), width=width, height=height, caption=caption)
