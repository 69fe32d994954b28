"""Textual inversion (Gal et al. 2022, arXiv:2208.01618): a run that trains the vectors of a word, and nothing else."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import AdapterError, CaptionError, TrainingError
from ..core.events import Event
from ..data.dataset import Dataset, TriggerWord
from ..diffusion.weighting import WEIGHTINGS
from ..embeddings.files import load_embedding, save_embedding, unfit
from ..models.contract import Backbone
from ..models.word_embeddings import WordEmbedding
from ..training.epochs import in_steps
from ..training.notes import Plan, notes
from ..training.recipe import Recipe
from ..training.vectors import in_training
from .caption_notes import caption_notes
from .graphs import Graph
from .key import NewWord, Run
from .running import Finished, Product, trained
from .store import RunStore
from .train import facts_of, other_metadata

if TYPE_CHECKING:
    from torch import Tensor

_LEVELS = 64
"""Noise levels that the weights of the loss are looked at, evenly spaced."""
_LITTLE = 0.1
"""Share of the weight that is little for a quarter of the levels. On the demo base a word wasn't learned at 0.01."""


@dataclass(frozen=True, kw_only=True)
class TrainedEmbedding(Finished):
    """The result of a run."""

    embedding: WordEmbedding
    base: Backbone
    """The base model with the word."""


def train_embedding(
    base: Backbone,
    dataset: Dataset,
    recipe: Recipe,
    *,
    vectors: int,
    begins_as: str,
    seed: int,
    store: RunStore,
    name: str,
    graph: Graph | None = None,
) -> Generator[Event, None, TrainedEmbedding]:
    """Train vectors for the trigger word of a data set, for all text encoders of a base model.

    Args:
        base: left unchanged, even after an error or a cancel.
        dataset: every picture needs a caption with the trigger word.
        recipe: how to train; its settings of adapters have no effect, and ``text_encoder_learning_rate`` is the rate.
        vectors: of the word, 1 or more.
        begins_as: the words whose tokens' vectors are the first values, in turn; empty for the class word.
        seed: of order and noise.
        store: where results and training states are kept.
        name: of the embedding, for files and labels; not part of the run's key.
        graph: for the file's metadata.

    Raises:
        AdapterError: the base model has text encoders other than CLIP's.
        CaptionError: there is no trigger word, or more than one, or nothing to begin with.
        TrainingError: a loss isn't finite, or nothing was learned.
        WorkbenchError: as for ``train_adapter``, of the data set and its captions.
    """
    resolution = recipe.batches.resolution or base.info.resolution
    recipe = in_steps(recipe.changed(resolution=resolution, train_text_encoder=True), dataset)
    trigger = _trigger_of(dataset)
    word = NewWord(word=trigger.word, vectors=vectors, begins_as=begins_as.strip() or trigger.class_word)
    run = Run(base=base, dataset=dataset, recipe=recipe, regularization=None, seed=seed, word=word)
    first = _first_values(base, word)
    run.check()
    plan = Plan(recipe=recipe, dataset=dataset, base=base, has_prior=False, instead="the vectors of a word are")
    product = Product(
        trainee=partial(in_training, base, word.word, first),
        save=partial(_saved, run, word, first, name, graph or Graph()),
        load=partial(_read, run, word),
        graph=graph or Graph(),
    )
    told = (*caption_notes(run), *_weight_notes(run), *notes(plan))
    made, finished = yield from trained(run, product, store, name, told)
    return TrainedEmbedding(embedding=made, base=base.with_words(made), **vars(finished))


def _trigger_of(dataset: Dataset) -> TriggerWord:
    """The one trigger word of a data set.

    Raises:
        CaptionError: it has none, or several.
    """
    if len(dataset.triggers) != 1:
        found = ", ".join(repr(trigger.word) for trigger in dataset.triggers) or "none"
        raise CaptionError(
            f"An embedding is trained for one trigger word, and {dataset.name} has {found}.",
            expected="captions with one trigger word",
            hint="connect LW_TriggerCaptions; train several words one after the other.",
        )
    return dataset.triggers[0]


def _weight_notes(run: Run) -> Iterator[str]:
    """What the weights of the loss leave of the noisiest quarter of the levels, if it is little."""
    import torch

    weights, gamma = run.recipe.loss.weights, run.recipe.loss.snr_gamma
    levels = run.base.timesteps((torch.arange(_LEVELS) + 0.5) / _LEVELS)
    of_level = weights.of(run.base.info.prediction_type, levels.alpha, levels.sigma)
    share = (of_level[-_LEVELS // 4 :].sum() / of_level.sum()).item()
    if WEIGHTINGS.get(weights.name).of_gamma and gamma and share < _LITTLE:
        yield (
            f"With snr_gamma = {gamma:g}, the noisiest quarter of the levels has {share:.0%} of the loss's weight, and "
            "there it is decided what a word means: set snr_gamma = 0 if the word isn't learned."
        )


def _first_values(base: Backbone, word: NewWord) -> dict[str, Tensor]:
    """Text encoder -> vectors (N, D) of the tokens of the words that it begins as, in turn.

    Raises:
        AdapterError: the base model has text encoders other than CLIP's.
        CaptionError: there are no such words.
    """
    if not (found := base.token_vectors(word.begins_as)):
        raise unfit(base)
    if not all(map(len, found.values())):
        raise CaptionError(
            f"The vectors of {word.word!r} have nothing to begin with.",
            expected="words that the base model knows, or a class word beside the trigger word",
            hint="write what the pictures show into begins_as, such as fox or watercolor painting.",
        )
    return {name: own[[*islice(cycle(range(len(own))), word.vectors)]] for name, own in found.items()}


def _saved(
    run: Run,
    word: NewWord,
    first: Mapping[str, Tensor],
    name: str,
    graph: Graph,
    values: Mapping[str, Tensor],
    losses: list[float],
    path: Path,
) -> WordEmbedding:
    """Write the vectors.

    Raises:
        TrainingError: they aren't finite, or are what they were.
        StorageError: the file can't be written.
    """
    still = all(vectors.equal(first[component]) for component, vectors in values.items())
    if still or not all(vectors.isfinite().all() for vectors in values.values()):
        raise TrainingError(
            f"After {len(losses)} steps the embedding {name} has no usable vectors.",
            expected="finite vectors that have moved",
            hint="check the learning rate; the training state is kept in the run store.",
        )
    facts = facts_of(run, name, graph, losses)
    metadata = other_metadata(facts, f"{facts.architecture}/textual-inversion")
    return save_embedding(WordEmbedding(word=word.word, vectors=dict(values), metadata=metadata), path)


def _read(run: Run, word: NewWord, path: Path) -> WordEmbedding | None:
    try:
        return load_embedding(path, run.base, word.word)
    except (AdapterError, OSError):
        return None
