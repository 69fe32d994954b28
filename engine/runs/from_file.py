"""The inputs of a training, made as its file says: what the nodes of a graph make of the same values."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..captions.templates import apply_trigger, parse_folders
from ..core.errors import ConfigError
from ..core.events import Event, Message
from ..core.ranks import Ranks
from ..core.words import counted
from ..data.buckets import BucketSettings, bucket_report, bucketed
from ..data.caption_remarks import caption_remarks
from ..data.dataset import Dataset, TriggerWord
from ..data.loading import load_dataset
from ..data.regularization import class_prompts, regularization_set
from ..data.remarks import remarks
from ..generation.batch import GenerationRequest
from ..generation.class_pictures import class_pictures
from ..models.contract import Backbone
from ..models.registry import load_base
from ..training.recipe import Recipe
from ..training.suggestions import suggest, with_changes
from .run_file import BucketSection, RegularizationSection, RunFile, TriggerSection
from .sharing import nothing
from .store import RunStore

T = TypeVar("T")
Find = Callable[[str], Path]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the names of a file lead."""

    base: Find
    dataset: Find
    store: RunStore


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What ``train_adapter`` gets."""

    base: Backbone
    dataset: Dataset
    recipe: Recipe
    regularization: Dataset | None
    name: str


def inputs_of(run: RunFile, places: Places, device: str, ranks: Ranks) -> Generator[Event, None, Inputs]:
    """Load the base model and the data sets, and suggest the recipe.

    Args:
        run: as read.
        places: where names lead, and where class pictures are kept.
        device: of this process.
        ranks: the processes that train together; rank 0 generates class pictures.

    Raises:
        WorkbenchError: of the class of whatever is missing, damaged, or doesn't fit.
    """
    dataset = yield from pictures_of(run, places.dataset)
    base = load_base(places.base(run.base.path), device=device, precision=run.base.precision)
    yield from _told(dataset.name, caption_remarks(dataset, base))
    goal: Any = run.recipe.goal
    quality: Any = run.recipe.quality
    recipe = with_changes(suggest(goal, len(dataset), base.info, quality), run.settings)
    yield from _told("recipe", [recipe.reason])
    if run.buckets is not None:
        dataset = yield from bucketed(dataset, _buckets(run.buckets, base))
        yield from _told("buckets", bucket_report(dataset).in_words().splitlines())
    regularization = None
    if run.regularization is not None:
        regularization = yield from _regularization(run.regularization, dataset, base, places, ranks)
    return Inputs(
        base=base, dataset=dataset, recipe=recipe, regularization=regularization,
        name=run.run.name.strip() or dataset.name,
    )  # fmt: skip


def pictures_of(run: RunFile, find: Find) -> Generator[Event, None, Dataset]:
    """Load the training pictures, with the trigger word in their captions.

    Args:
        run: as read.
        find: where names of data sets lead.

    Raises:
        DatasetError: the data set is missing, or holds what can't be used.
        CaptionError: the trigger word can't be put into captions.
    """
    given: dict[str, Any] = {"on_unreadable": run.dataset.on_unreadable, "uncaptioned": run.dataset.uncaptioned}
    dataset = load_dataset(find(run.dataset.path), **given)
    yield from _told(dataset.name, [counted(len(dataset), "picture"), *remarks(dataset)])
    return _with_trigger(dataset, run.trigger) if run.trigger is not None else dataset


def _told(about: str, lines: Sequence[str]) -> Iterator[Message]:
    return (Message(text=f"{about}: {line}") for line in lines if line)


def _with_trigger(dataset: Dataset, section: TriggerSection) -> Dataset:
    trigger = TriggerWord(word=section.word, class_word=section.class_word, template=section.template)
    mode: Any = section.mode
    return apply_trigger(dataset, trigger, mode, parse_folders("\n".join(section.folders), section.template))


def _buckets(section: BucketSection, base: Backbone) -> BucketSettings:
    resolutions = section.resolutions or (base.info.resolution,)
    return BucketSettings(resolutions=resolutions, step=section.step, max_aspect=section.max_aspect, crop=section.crop)


def _regularization(
    section: RegularizationSection, dataset: Dataset, base: Backbone, places: Places, ranks: Ranks
) -> Generator[Event, None, Dataset]:
    """The pictures of the folder, and generated ones up to the number wanted.

    Raises:
        ConfigError: pictures have to be generated, and there is no prompt.
    """
    prompts = class_prompts(section.prompts, dataset.triggers)
    parts = [load_dataset(places.dataset(section.path), regularization=True)] if section.path.strip() else []
    if (missing := section.count - sum(map(len, parts))) > 0:
        if not prompts:
            raise ConfigError(
                "[regularization] has no prompts, and the data set has no class word.",
                expected="at least one prompt that names the class",
                hint='write prompts = ["a photo of a dog"], or class_word in [trigger].',
            )
        request = GenerationRequest(
            prompts=prompts, seeds=(section.seed,), steps=section.steps, guidance=section.guidance,
            batch_size=section.batch_size,
        )  # fmt: skip
        generated = class_pictures(base, request, missing, places.store.class_pictures)
        first = yield from ranks.together(generated if ranks.leads else nothing())
        parts.append(first or (yield from class_pictures(base, request, missing, places.store.class_pictures)))
    made = regularization_set(parts, prompts, dataset.triggers)
    yield from _told(made.name, [counted(len(made), "picture"), *caption_remarks(made, base), *remarks(made)])
    return made
