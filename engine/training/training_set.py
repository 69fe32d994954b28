"""The training set as tensors: latents, loss weights and embeddings, cached by content.

A sample is one crop of a record, in one or more variants, such as its mirror image. Which samples a step sees, and all
its noise, depend on the seed and the step's number alone, so that an interrupted run resumes to the same bits without
any random state being saved.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING

from ..core.cache import TensorCache
from ..core.errors import DatasetError
from ..core.events import Event
from ..core.seeds import derived_seed
from ..core.words import first_of
from ..data.class_captions import class_caption, trigger_of
from ..data.dataset import Dataset
from ..models.contract import Backbone, Conditioning
from .caption_order import TagChanges, variants
from .embeddings import Shown, identity, prompts_of, with_picture
from .embeddings import embed as embed_captions
from .encoding import Samples, latents_of, weights_of
from .held import Budget
from .order import chosen, variant
from .settings import PriorSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """One data set, encoded for one base model. Sequences have one entry per sample, on the CPU."""

    latents: Sequence[Sequence[Tensor]]
    """One per variant, all of one shape (C, h, w), float32."""
    weights: Sequence[Sequence[Tensor]] | None
    """Loss weight of each latent pixel, one tensor per variant, (1, h, w), float32, mean 1; ``None`` without masks."""
    captions: list[tuple[str, ...]]
    """The variants of its caption that steps choose from."""
    embeddings: Mapping[str, Conditioning] | None
    """Caption, as :meth:`prompt` spells it -> conditioning of batch 1; ``None`` if the text encoder is trained, so that
    nothing can be cached."""
    buckets: list[list[int]]
    """Samples of each shape, with repeats, before shuffling: one epoch."""
    references: Sequence[Sequence[Tensor]] | None = None
    """Latents of the pictures before editing, as ``latents``; ``None`` without pairs."""
    seen: list[list[str]] | None = None
    """What tells the pictures before editing apart, as ``latents``, where prompts are encoded with them."""
    class_captions: list[tuple[str, ...]] | None = None
    """``captions`` with the class word in place of the trigger word, where the run preserves what they give."""
    outside: Sequence[Sequence[Tensor]] | None = None
    """What the masks leave out, as ``weights``; ``None`` without masks, or where the run doesn't preserve it."""

    @property
    def side(self) -> int:
        """Side of the smallest square latent with at least as many pixels as the largest latent."""
        return max(ceil(sqrt(self.latents[bucket[0]][0][0].numel())) for bucket in self.buckets)

    def sample(self, number: int, count: int, seed: int) -> list[tuple[int, int]]:
        """The (sample, variant) pairs of a batch: at most ``count``, all of one shape."""
        samples = chosen(self.buckets, number, count, seed)
        return [(i, variant(len(self.latents[i]), number, place, seed)) for place, i in enumerate(samples)]

    def prompt(self, sample: int, variant: int, caption: str) -> str:
        """The key of a caption's embedding."""
        return with_picture(caption, self.seen[sample][variant]) if self.seen else caption


def encode(
    backbone: Backbone,
    dataset: Dataset,
    resolution: int,
    cache: TensorCache,
    *,
    embed: bool,
    changes: TagChanges | None = None,
    adapted: str = "",
    budget: Budget | None = None,
    preserved: PriorSettings | None = None,
) -> Generator[Event, None, TrainingSet]:
    """Encode a data set, reusing what the cache has.

    Args:
        backbone: the base model, whose encoders stay loaded. Entries that the cache loses later are encoded again.
        dataset: every record needs a caption, and all or none a reference.
        resolution: side in pixels to which pictures without crops are resized and center-cropped.
        cache: of latents and embeddings.
        embed: whether to encode captions too.
        changes: how the tags of captions vary; by default they don't. Tags with the trigger word are never dropped.
        adapted: content hash of the adapters that the text encoders carry, if there are any.
        budget: of memory, shared by the sets of a run; by default a share of what is free.
        preserved: what the run preserves of the base model beside these pictures; for class captions, every record's
            trigger word needs a class word.

    Raises:
        DatasetError: the size of a crop doesn't fit the base model, or a mask leaves nothing of its picture.
    """
    samples = [(record, views) for record in dataset for views in record.views(resolution)]
    _check_sizes(samples, backbone.info.latent_factor * backbone.info.patch)
    budget = budget or Budget.of_free_memory()
    latents = yield from latents_of(backbone, samples, cache, budget, release=embed)
    words = dataset.triggers

    def stays(tag: str) -> bool:
        return any(word.is_in(tag) for word in words)

    captions = [variants(record.caption or "", changes or TagChanges(), stays) for record, _ in samples]
    by_class = preserved is not None and preserved.output_preservation > 0
    class_captions = _of_the_class(captions, samples, dataset) if by_class else None
    shown = shown_before(samples) if dataset.has_pairs else None
    references = (yield from latents_of(backbone, shown, cache, budget, release=embed)) if shown else None
    seen = shown if "prompts_see_pictures" in backbone.info.capabilities else None
    embeddings = None
    if embed:
        wanted = [(*orders, *classes) for orders, classes in zip(captions, class_captions or captions, strict=True)]
        embeddings = yield from embed_captions(backbone, prompts_of(wanted, seen), cache, adapted, budget)
    weights = outside = None
    if dataset.has_masks:
        weights = yield from weights_of(samples, latents, cache, budget)
        if preserved and preserved.mask_preservation:
            outside = yield from weights_of(samples, latents, cache, budget, outside=True)
    return TrainingSet(
        latents=latents,
        weights=weights,
        captions=captions,
        embeddings=embeddings,
        buckets=_buckets(samples),
        references=references,
        seen=[[identity(picture, view) for view in views] for picture, views in seen] if seen else None,
        class_captions=class_captions,
        outside=outside,
    )


def _of_the_class(captions: Sequence[tuple[str, ...]], samples: Samples, dataset: Dataset) -> list[tuple[str, ...]]:
    """The variants of each sample's caption, with the class word in place of the trigger word."""
    triggers = [trigger_of(record, dataset) for record, _ in samples]
    return [
        tuple(class_caption(caption, trigger) for caption in orders) if trigger else orders
        for orders, trigger in zip(captions, triggers, strict=True)
    ]


def shown_before(samples: Samples) -> Shown:
    """The pictures before editing, in the views that show what those of the results show."""
    return [
        (record.reference, [record.reference.view(view, (record.width, record.height)) for view in views])
        for record, views in samples
        if record.reference
    ]


def _check_sizes(samples: Samples, factor: int) -> None:
    """Refuse sides that aren't whole tokens: of latents, and of squares of them where the model joins those.

    Raises:
        DatasetError: with the sizes.
    """
    sizes = {views[0].crop.size for _, views in samples}
    if wrong := [f"{width} x {height}" for width, height in sorted(sizes) if width % factor or height % factor]:
        raise DatasetError(
            f"{len(wrong)} picture sizes don't fit the base model: {first_of(wrong)}",
            expected=f"sides that are multiples of {factor}",
            hint=f"set the recipe's resolution, or the step of LW_BucketDataset, to a multiple of {factor}.",
        )


def _buckets(samples: Samples) -> list[list[int]]:
    buckets: dict[tuple[int, int], list[int]] = {}
    for number, (record, views) in enumerate(samples):
        buckets.setdefault(views[0].crop.size, []).extend([number] * record.repeats)
    return [buckets[size] for size in sorted(buckets)]


def step_generator(seed: int, step: int, micro: int) -> torch.Generator:
    """The generator of all random values of one micro-batch; on the CPU, so that they are the same on every device."""
    import torch

    return torch.Generator().manual_seed(derived_seed(seed, "noise", step, micro))
