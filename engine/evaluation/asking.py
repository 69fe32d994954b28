"""What samples of snapshots are asked for, and what each of them can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ..data.class_captions import trigger_of, without_trigger
from ..data.dataset import Dataset, ImageRecord, TriggerWord

Kind = Literal["held-out caption", "training caption", "other prompt", "without trigger"]
CAPTIONS = 3
"""Captions of pictures that are drawn unless prompts are given."""
CONTEXTS = ("in the jungle", "on the beach", "in the snow")
"""From the prompts of DreamBooth (Ruiz et al. 2022, arXiv:2208.12242, appendix), for subjects of any kind."""
PLAIN = 2
"""Of the contexts, those that are drawn without the trigger word too."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A prompt that every snapshot draws."""

    prompt: str
    kind: Kind
    """Whether it is the caption of a picture, and whether the trigger word is in it."""
    pictures: tuple[str, ...] = ()
    """Content hashes of the pictures whose caption it is, all of them held out, or none."""

    @property
    def is_new(self) -> bool:
        """Whether it was not trained on, and should draw what was."""
        return self.kind in ("held-out caption", "other prompt")


def asked(prompts: Iterable[str], training: Dataset | None, held: Dataset | None) -> tuple[Asked, ...]:
    """Prompts with what they can tell, each once.

    Args:
        prompts: what is drawn.
        training: the pictures that were trained on, if they are known.
        held: those that were held out of the training, if there are any.
    """
    triggers = training.triggers if training else ()
    return tuple(_asked(prompt, training, held, triggers) for prompt in dict.fromkeys(prompts))


def _asked(prompt: str, training: Dataset | None, held: Dataset | None, triggers: Sequence[TriggerWord]) -> Asked:
    captioned: list[tuple[Kind, Dataset | None]] = [("held-out caption", held), ("training caption", training)]
    for kind, dataset in captioned:
        if own := tuple(record.content_hash for record in dataset or () if record.caption == prompt):
            return Asked(prompt=prompt, kind=kind, pictures=own)
    if triggers and not any(trigger.is_in(prompt) for trigger in triggers):
        return Asked(prompt=prompt, kind="without trigger")
    return Asked(prompt=prompt, kind="other prompt")


def usual_prompts(training: Dataset, held: Dataset | None) -> list[str]:
    """Captions of held-out pictures, or of training pictures where there are none, the trigger phrase in contexts that
    no data set is of, and some of these without the trigger word."""
    captions = [record.caption or "" for record in _spread(held or training, CAPTIONS)]
    first = training.records[0]
    if not (trigger := trigger_of(first, training)):
        return captions
    new = [f"{trigger.phrase()} {context}" for context in CONTEXTS]
    return [*captions, *new, *(without_trigger(prompt, trigger) for prompt in new[:PLAIN])]


def _spread(dataset: Dataset, most: int) -> Iterator[ImageRecord]:
    """So many pictures with different captions, evenly over the data set."""
    different: dict[str | None, ImageRecord] = {}
    for record in dataset:
        different.setdefault(record.caption, record)
    found, count = [*different.values()], min(most, len(different))
    yield from (found[number * len(found) // count] for number in range(count))
