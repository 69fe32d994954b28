"""The training set as tensors: latents and embeddings by content, and the order in which steps see them.

Which pictures a step sees, and all its noise, follow from the seed and the step's number alone. So a run that was
interrupted goes on to the same bits without any generator's state being kept.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..backbones.contract import Backbone, Conditioning
from ..cache import TensorCache
from ..data.dataset import Dataset, ImageRecord
from ..data.images import square
from ..events import Event, Progress
from ..storage import value_hash
from .caption_order import variants

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_ENCODE_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """One data set, encoded for one base model."""

    latents: list[Tensor]
    """One a record, (C, h, w), float32."""
    captions: list[tuple[str, ...]]
    """One a record: the orders of its tags that steps choose from."""
    embeddings: dict[str, Conditioning] | None
    """Caption -> conditioning of batch 1; ``None`` where the text encoder is trained and so can't be cached."""
    order: tuple[int, ...]
    """Record indices with repeats: one epoch before shuffling."""

    def draw(self, start: int, count: int, seed: int) -> list[int]:
        """Record indices at the positions ``start`` to ``start + count`` of the endless shuffled sequence."""
        size = len(self.order)
        return [self.order[_shuffled(size, seed, p // size)[p % size]] for p in range(start, start + count)]


@lru_cache(maxsize=8)
def _shuffled(size: int, seed: int, epoch: int) -> tuple[int, ...]:
    import torch

    generator = torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch))
    return tuple(torch.randperm(size, generator=generator).tolist())


def derived_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed that depends on every argument."""
    return int(value_hash(seed, *parts)[:15], 16)


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
        resolution: side in pixels that pictures are scaled and centre-cropped to.
        cache: keyed by the pictures' and captions' content and the base model's.
        embed: whether captions are encoded too.
        caption_variants: orders of each caption's tags; below 2 captions stay as they are written.
        caption_keep: tags that stay in their places.
    """
    base = backbone.info.content_hash
    keys = [value_hash("latent", record.content_hash, resolution, base) for record in dataset]
    missing = [i for i, key in enumerate(keys) if key not in cache]
    for at in range(0, len(missing), _ENCODE_AT_ONCE):
        chosen = missing[at : at + _ENCODE_AT_ONCE]
        latents = backbone.encode_images(picture_batch([dataset.records[i] for i in chosen], resolution))
        for i, latent in zip(chosen, latents, strict=True):
            cache.put(keys[i], {"latent": latent})
        yield Progress(done=at + len(chosen), total=len(missing), label="encoding pictures")
    captions = [variants(record.caption or "", caption_variants, caption_keep) for record in dataset]
    embeddings = (yield from _embeddings(backbone, captions, cache)) if embed else None
    return TrainingSet(
        latents=[_entry(cache, key)["latent"].to(backbone.device) for key in keys],
        captions=captions,
        embeddings=embeddings,
        order=tuple(i for i, record in enumerate(dataset) for _ in range(record.repeats)),
    )


def _entry(cache: TensorCache, key: str) -> dict[str, Tensor]:
    entry = cache.get(key)
    assert entry is not None, f"cache entry {key} vanished while the run was starting"
    return entry


def _embeddings(
    backbone: Backbone, captions: Sequence[Sequence[str]], cache: TensorCache
) -> Generator[Event, None, dict[str, Conditioning]]:
    """Every distinct caption and the empty one (for caption dropout), encoded one by one: padding can't leak."""
    import torch

    wanted = sorted({caption for orders in captions for caption in orders} | {""})
    result = {}
    for done, caption in enumerate(wanted, 1):
        key = value_hash("embedding", caption, backbone.info.content_hash)
        entry = cache.get(key)
        if entry is None:
            with torch.no_grad():
                entry = backbone.encode_prompts([caption])
            cache.put(key, entry)
            yield Progress(done=done, total=len(wanted), label="encoding captions")
        result[caption] = Conditioning(entry).to(backbone.device)
    return result


def picture_batch(records: list[ImageRecord], side: int) -> Tensor:
    """Records -> (B, 3, side, side) float32 in [-1, 1]."""
    import numpy as np
    import torch

    arrays = [np.asarray(square(record.load(), side), dtype=np.float32) for record in records]
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 127.5 - 1


def step_generator(seed: int, step: int, micro: int) -> torch.Generator:
    """The generator of all noise of one micro-batch; on the CPU, so that every device draws the same."""
    import torch

    return torch.Generator().manual_seed(derived_seed(seed, "noise", step, micro))
