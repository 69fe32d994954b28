"""Latents and loss weights of the pictures of a training set, cached by content."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from ..core.cache import TensorCache
from ..core.errors import DatasetError
from ..core.events import Event
from ..core.keys import content_key
from ..data.dataset import ImageRecord
from ..data.views import View
from ..models.contract import Backbone
from .embeddings import Picture, Shown, picture_batch
from .held import Budget, Held, Lazy

if TYPE_CHECKING:
    import torch
    from torch import Tensor

P = TypeVar("P", bound=Picture)
Samples: TypeAlias = Sequence[tuple[ImageRecord, Sequence[View]]]
"""(record, the variants of one of its crops), one per sample."""


def latents_of(
    backbone: Backbone, samples: Shown, cache: TensorCache, budget: Budget, *, release: bool
) -> Generator[Event, None, Sequence[Sequence[Tensor]]]:
    """Latents of all views of all pictures.

    Pictures are encoded one by one: in a batch, the last bits of each depend on the others, so that an interrupted run,
    or the same picture in another data set, would train on other values.

    Args:
        backbone: the base model.
        samples: pictures and their views.
        cache: of latents.
        budget: of memory.
        release: whether to release the encoders after encoding in the middle of the run.
    """
    keys = [
        [content_key("latent", picture.content_hash, view, backbone.info.content_hash) for view in views]
        for picture, views in samples
    ]
    shown = _by_key(keys, samples)

    def encoded(key: str) -> dict[str, Tensor]:
        return {"latent": backbone.encode_images(picture_batch([shown[key]]))[0]}

    def encoded_again(key: str) -> dict[str, Tensor]:
        latent = encoded(key)
        if release:
            backbone.release_encoders()
        return latent

    held = Held(cache, budget, encoded, encoded_again)
    yield from held.prepare(shown, "encoding pictures")
    return _per_view(keys, held, "latent")


def weights_of(
    samples: Samples, latents: Sequence[Sequence[Tensor]], cache: TensorCache, budget: Budget, *, outside: bool = False
) -> Generator[Event, None, Sequence[Sequence[Tensor]]]:
    """Loss weights of all views of all pictures, with their latents; ``outside`` asks for what masks leave out."""
    first = {views[0].crop.size: number for number, (_, views) in enumerate(samples)}
    shapes = {size: latents[number][0].shape for size, number in first.items()}

    def key_of(record: ImageRecord, view: View) -> str:
        mask = record.mask and record.mask.identity()
        what = (mask, record.width, record.height, view, shapes[view.crop.size])
        return content_key("weight", *what, *(["outside"] if outside else []))

    keys = [[key_of(record, view) for view in views] for record, views in samples]
    shown = _by_key(keys, samples)

    def weighed(key: str) -> dict[str, Tensor]:
        record, view = shown[key]
        return {"weight": (_outside if outside else _weight)(record, view, shapes[view.crop.size])}

    held = Held(cache, budget, weighed)
    yield from held.prepare(shown, "reading masks")
    return _per_view(keys, held, "weight")


def _by_key(keys: Sequence[Sequence[str]], samples: Sequence[tuple[P, Sequence[View]]]) -> dict[str, tuple[P, View]]:
    """Key -> what it is of, each once."""
    return {
        key: (picture, view)
        for of_sample, (picture, views) in zip(keys, samples, strict=True)
        for key, view in zip(of_sample, views, strict=True)
    }


def _per_view(keys: Sequence[Sequence[str]], held: Held, name: str) -> Sequence[Sequence[Tensor]]:
    """The tensor of each view, read when it is asked for."""
    return Lazy(keys, lambda of_sample: Lazy(of_sample, lambda key: held[key][name]))


def _weight(record: ImageRecord, view: View, latent: torch.Size) -> Tensor:
    """Loss weight of each latent pixel, (1, h, w): the mask, downscaled and divided by its mean.

    Raises:
        DatasetError: the mask leaves nothing of the view.
    """
    weight = _seen(record, view, latent)
    mean = weight.mean()
    if mean < 1e-3:
        raise DatasetError(
            f"The mask of {record.name} leaves nothing to learn within the crop.",
            expected="some white in the mask, or a floor above 0",
            hint="fix the mask, raise the floor in LW_MaskDataset, or crop around the subject with LW_BucketDataset.",
        )
    return weight / mean


def _outside(record: ImageRecord, view: View, latent: torch.Size) -> Tensor:
    """Weight of each latent pixel that the mask leaves out, (1, h, w), divided by their mean; 0 if it leaves out none.

    Where the mask weighs w, that is 1 - w, as OneTrainer has it with ``normalize_masked_area_loss``.
    """
    left = 1 - _seen(record, view, latent)
    mean = left.mean()
    return left / mean if mean >= 1e-3 else left * 0


def _seen(record: ImageRecord, view: View, latent: torch.Size) -> Tensor:
    """What the mask weighs at each latent pixel, (1, h, w), from its floor to 1; 1 without a mask."""
    import numpy as np
    import torch

    height, width = latent[-2:]
    if record.mask is None:
        return torch.ones(1, height, width)
    seen = view.of_mask(record.mask.load(), (record.width, record.height), (width, height))
    weight = record.mask.floor + (1 - record.mask.floor) * torch.from_numpy(np.asarray(seen, np.float32) / 255)
    return weight[None]
