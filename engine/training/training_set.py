"""The training set as tensors: latents, weights and embeddings by content.

A sample is one frame of a record, and has a variant for each way in which a step may see it. Which samples a step
sees, and all its noise, follow from the seed and the step's number alone. So a run that was interrupted goes on to
the same bits without any generator's state being kept.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, sqrt
from typing import TYPE_CHECKING

from ..core.cache import TensorCache
from ..core.errors import DatasetError
from ..core.events import Event, Progress
from ..core.keys import content_key
from ..core.seeds import derived_seed
from ..data.dataset import Dataset, ImageRecord
from ..data.views import View
from ..models.contract import Backbone, Conditioning
from .caption_order import variants
from .order import chosen, variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_ENCODE_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """One data set, encoded for one base model; its lists have one entry a sample."""

    latents: list[list[Tensor]]
    """One a variant, all of one shape (C, h, w), float32."""
    weights: list[list[Tensor]] | None
    """One a variant, (1, h, w), float32, mean 1; ``None`` where every part of every picture counts alike."""
    captions: list[tuple[str, ...]]
    """The orders of its tags that steps choose from."""
    embeddings: dict[str, Conditioning] | None
    """Caption -> conditioning of batch 1; ``None`` where the text encoder is trained and so can't be cached."""
    buckets: list[list[int]]
    """Samples of each shape, with repeats: one epoch before shuffling."""

    @property
    def side(self) -> int:
        """Of a square latent with at least as many places as the largest one."""
        return max(ceil(sqrt(latent[0].numel())) for latent, *_ in self.latents)

    def sample(self, number: int, count: int, seed: int) -> list[tuple[int, int]]:
        """The (sample, variant) pairs of a batch, at most ``count`` and all of one shape."""
        samples = chosen(self.buckets, number, count, seed)
        return [(i, variant(len(self.latents[i]), number, place, seed)) for place, i in enumerate(samples)]


def encode(
    backbone: Backbone,
    dataset: Dataset,
    resolution: int,
    cache: TensorCache,
    *,
    embed: bool,
    caption_variants: int = 0,
    caption_keep: int = 1,
) -> Generator[Event, None, TrainingSet]:
    """Encode what the cache doesn't hold yet.

    Args:
        backbone: the base model; its encoders are used, not released.
        dataset: every record needs a caption.
        resolution: side in pixels that pictures without frames are scaled and center-cropped to.
        cache: keyed by the content of pictures, masks and captions, the views of them, and the base model's.
        embed: whether captions are encoded too.
        caption_variants: orders of each caption's tags; below 2 captions stay as they are written.
        caption_keep: tags that stay in their places.

    Raises:
        DatasetError: a frame's size doesn't fit the base model, or a mask leaves nothing of its picture.
    """
    samples = [(record, views) for record in dataset for views in record.views(resolution)]
    _check_sizes(samples, backbone.info.latent_factor)
    yield from _encode_missing(backbone, samples, cache)
    latents = [
        [_entry(cache, _key(backbone, record, view))["latent"].to(backbone.device) for view in views]
        for record, views in samples
    ]
    captions = [variants(record.caption or "", caption_variants, caption_keep) for record, _ in samples]
    embeddings = (yield from _embeddings(backbone, captions, cache)) if embed else None
    return TrainingSet(
        latents=latents,
        weights=_weights(samples, latents) if any(r.mask and r.mask.weighs for r in dataset) else None,
        captions=captions,
        embeddings=embeddings,
        buckets=_buckets(samples),
    )


def _check_sizes(samples: Sequence[tuple[ImageRecord, Sequence[View]]], factor: int) -> None:
    sizes = {views[0].crop.size for _, views in samples}
    wrong = sorted(size for size in sizes if size[0] % factor or size[1] % factor)
    if wrong:
        raise DatasetError(
            f"{len(wrong)} picture sizes don't fit the base model: "
            + ", ".join(f"{width} x {height}" for width, height in wrong[:5]),
            expected=f"sides that are multiples of {factor}",
            hint="set the recipe's resolution, or the step of LW_BucketDataset, to a multiple of it.",
        )


def _encode_missing(
    backbone: Backbone, samples: Sequence[tuple[ImageRecord, Sequence[View]]], cache: TensorCache
) -> Generator[Event, None, None]:
    wanted = [(record, view) for record, views in samples for view in views]
    missing = [pair for pair in wanted if _key(backbone, *pair) not in cache]
    missing.sort(key=lambda pair: pair[1].crop.size)  # stable: in the set's order within a size
    done = 0
    for _, same in groupby(missing, key=lambda pair: pair[1].crop.size):
        group = list(same)
        for at in range(0, len(group), _ENCODE_AT_ONCE):
            pairs = group[at : at + _ENCODE_AT_ONCE]
            for pair, latent in zip(pairs, backbone.encode_images(picture_batch(pairs)), strict=True):
                cache.put(_key(backbone, *pair), {"latent": latent})
            done += len(pairs)
            yield Progress(done=done, total=len(missing), label="encoding pictures")


def _key(backbone: Backbone, record: ImageRecord, view: View) -> str:
    return content_key("latent", record.content_hash, view, backbone.info.content_hash)


def _entry(cache: TensorCache, key: str) -> dict[str, Tensor]:
    entry = cache.get(key)
    assert entry is not None, f"cache entry {key} vanished while the run was starting"
    return entry


def _weights(
    samples: Sequence[tuple[ImageRecord, Sequence[View]]], latents: Sequence[Sequence[Tensor]]
) -> list[list[Tensor]]:
    """The weight of each place of each latent: masks averaged down to the latents' size, scaled to a mean of 1."""
    return [
        [_weight(record, view, latent) for view, latent in zip(views, of_sample, strict=True)]
        for (record, views), of_sample in zip(samples, latents, strict=True)
    ]


def _weight(record: ImageRecord, view: View, latent: Tensor) -> Tensor:
    import numpy as np
    import torch

    height, width = latent.shape[-2:]
    if record.mask is None:
        return torch.ones(1, height, width, device=latent.device)
    seen = view.of_mask(record.mask.load(), (record.width, record.height), (width, height))
    weight = record.mask.floor + (1 - record.mask.floor) * torch.from_numpy(np.asarray(seen, np.float32) / 255)
    mean = weight.mean()
    if mean < 1e-3:
        raise DatasetError(
            f"The mask of {record.name} leaves nothing to learn where the picture is cropped to.",
            expected="some white in the mask, or a floor above 0",
            hint="mend the mask, raise the floor in LW_MaskDataset, or crop around the subject with LW_BucketDataset.",
        )
    return (weight / mean)[None].to(latent.device)


def _buckets(samples: Sequence[tuple[ImageRecord, Sequence[View]]]) -> list[list[int]]:
    buckets: dict[tuple[int, int], list[int]] = {}
    for number, (record, views) in enumerate(samples):
        buckets.setdefault(views[0].crop.size, []).extend([number] * record.repeats)
    return [buckets[size] for size in sorted(buckets)]


def _embeddings(
    backbone: Backbone, captions: Sequence[Sequence[str]], cache: TensorCache
) -> Generator[Event, None, dict[str, Conditioning]]:
    """Every distinct caption and the empty one (for caption dropout), encoded one by one: padding can't leak."""
    import torch

    wanted = sorted({caption for orders in captions for caption in orders} | {""})
    result = {}
    for done, caption in enumerate(wanted, 1):
        key = content_key("embedding", caption, backbone.info.content_hash)
        entry = cache.get(key)
        if entry is None:
            with torch.no_grad():
                entry = backbone.encode_prompts([caption])
            cache.put(key, entry)
            yield Progress(done=done, total=len(wanted), label="encoding captions")
        result[caption] = Conditioning(entry).to(backbone.device)
    return result


def picture_batch(pairs: Sequence[tuple[ImageRecord, View]]) -> Tensor:
    """Views of one size, (width, height) -> (B, 3, height, width) float32 in [-1, 1]."""
    import numpy as np
    import torch

    arrays = [np.asarray(view.of(record.load()), dtype=np.float32) for record, view in pairs]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1


def step_generator(seed: int, step: int, micro: int) -> torch.Generator:
    """The generator of all noise of one micro-batch; on the CPU, so that every device draws the same."""
    import torch

    return torch.Generator().manual_seed(derived_seed(seed, "noise", step, micro))
