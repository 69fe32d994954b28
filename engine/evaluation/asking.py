"""What samples of snapshots are asked for, and what each of them can tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..data.class_captions import without_trigger
from ..data.dataset import Dataset, TriggerWord

Kind = Literal["held-out caption", "training caption", "other prompt", "without trigger"]
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


def captions_of(training: Dataset, held: Dataset | None, count: int) -> list[str]:
    """So many different captions of held-out pictures, or of training pictures where there are none, evenly."""
    found = [*dict.fromkeys(record.caption or "" for record in held or training)]
    most = min(count, len(found))
    return [found[number * len(found) // most] for number in range(most)]


def new_prompts(training: Dataset) -> list[str]:
    """The trigger phrase in contexts that no data set is of, and some of these without the trigger word; none where
    there is no trigger word."""
    if not training.triggers:
        return []
    trigger = training.triggers[0]
    new = [f"{trigger.phrase()} {context}" for context in CONTEXTS]
    return [*new, *(without_trigger(prompt, trigger) for prompt in new[:PLAIN])]
