"""Pictures that are drawn once and kept, by the content of everything that they depend on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..adapters.applying import applied
from ..adapters.stack import Stack
from ..core.cache import PictureCache
from ..core.events import Event, Progress
from ..core.hashing import bytes_hash
from ..core.keys import content_key
from ..models.contract import Backbone
from .batch import GeneratedImage, GenerationRequest, generate, stack_label
from .encoding import Encoded

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, kw_only=True)
class KeptColumn:
    """The pictures of one stack, in order of the requests."""

    keys: list[str]
    """Of the pictures in the cache."""
    pictures: list[GeneratedImage]


def kept_columns(
    backbone: Backbone,
    requests: Sequence[GenerationRequest],
    stacks: Sequence[Callable[[], Stack]],
    cache: PictureCache,
) -> Generator[Event, None, list[KeptColumn]]:
    """Draw the same pictures with several stacks, one column for each, and read those that were drawn before.

    Pictures are drawn one by one, so that none depends on the others by its last bits, and each is kept as soon as it
    is drawn: whoever cancels loses the one in progress.

    Args:
        backbone: the base model; unchanged afterwards.
        requests: each of one prompt, one seed, and one picture to edit or none.
        stacks: give the adapters of a column when it is its turn.
        cache: where the pictures are kept.

    Raises:
        AdapterError: an adapter can't be read, or doesn't fit the base model.
        BaseModelError: there is a picture to edit, and the base model doesn't edit pictures.
        StorageError: a picture can't be written.
    """
    columns = []
    for number, stack_of in enumerate(stacks):
        before = number * len(requests)
        column = yield from _column(backbone, requests, stack_of(), cache, (before, len(stacks) * len(requests)))
        columns.append(column)
    return columns


def _column(
    backbone: Backbone, requests: Sequence[GenerationRequest], stack: Stack, cache: PictureCache, place: tuple[int, int]
) -> Generator[Event, None, KeptColumn]:
    """One column; ``place`` is how many pictures come before it, and how many there are in all."""
    before, count = place
    keys = [picture_key(backbone, request, stack) for request in requests]
    pictures: list[Image] = []
    with contextlib.ExitStack() as while_drawing:
        encoded, begun = None, False
        for key, request in zip(keys, requests, strict=True):
            picture = cache.get(key)
            if picture is None:
                if not begun:
                    while_drawing.enter_context(applied(backbone, stack))
                    encoded, begun = _encoded(backbone, requests), True
                drawing = generate(backbone, request, encoded=encoded)
                picture = yield from _one(drawing, before + len(pictures), count)
                cache.put(key, picture)
            pictures.append(picture)
            yield _progress(before + len(pictures), count)
    label = stack_label(stack)
    return KeptColumn(
        keys=keys,
        pictures=[
            GeneratedImage(image=picture, prompt=request.prompts[0], seed=request.seeds[0], label=label)
            for picture, request in zip(pictures, requests, strict=True)
        ],
    )


def _encoded(backbone: Backbone, requests: Sequence[GenerationRequest]) -> Encoded | None:
    """All prompts at once, so that large text encoders and denoisers don't take turns in memory; ``None`` where
    pictures are edited, which prompts may see."""
    if any(request.references for request in requests):
        return None
    encoded = Encoded(backbone, requests[0].reference_guidance)
    for request in requests:
        encoded.conditioning(request.prompts, [None])
    return encoded


def _one(drawing: Generator[Event, None, list[GeneratedImage]], done: int, count: int) -> Generator[Event, None, Image]:
    """The only picture of a request; each denoising step is a sign of life."""
    with contextlib.closing(drawing):
        while True:
            try:
                next(drawing)
            except StopIteration as finished:
                return finished.value[0].image
            yield _progress(done, count)


def _progress(done: int, count: int) -> Progress:
    return Progress(done=done, total=count, label="drawing pictures")


def picture_key(backbone: Backbone, request: GenerationRequest, stack: Stack) -> str:
    """Content hash of everything that a picture depends on; the request is of one prompt and one seed."""
    edited = [[picture.size, bytes_hash(picture.convert("RGB").tobytes())] for picture in request.references]
    plain = replace(request, references=(), batch_size=1)
    precision = f"{backbone.device.type} {backbone.dtype}"
    return content_key("drawn", backbone.info.content_hash, precision, plain, edited, stack.content_hash)
