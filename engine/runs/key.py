"""What a run is a function of, and the key that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import CaptionError, DatasetError, TrainingError
from ..core.hashing import value_hash
from ..data.dataset import Dataset
from ..models.contract import Backbone
from ..training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Run:
    """What an adapter is a function of."""

    base: Backbone
    dataset: Dataset
    recipe: Recipe
    regularization: Dataset | None
    seed: int

    @property
    def lineage(self) -> str:
        """Content hash of everything but the number of steps: runs that differ in steps continue each other."""
        prior = self.regularization.content_hash if self.regularization else None
        number_format = f"{self.base.device.type} {self.base.dtype}"
        return value_hash(
            self.base.info.content_hash, number_format, self.dataset.content_hash, self.recipe.keyed(), prior, self.seed
        )

    def check(self) -> None:
        """Refuse what can't teach anything, before any work is done.

        Raises:
            TrainingError: the text encoder is to be trained, and this base's can't be.
            DatasetError: a set is empty.
            CaptionError: a caption is missing, or lacks the trigger word.
        """
        if self.recipe.train_text_encoder and "text_encoder_training" not in self.base.info.capabilities:
            raise TrainingError(
                f"The recipe trains the text encoder, and that of {self.base.info.name} can't be trained.",
                expected="a base model with CLIP text encoders, or train_text_encoder no",
                hint="set train_text_encoder to no in LW_Recipe; few adapters gain by it.",
            )
        for dataset in (self.dataset, self.regularization):
            if dataset is None:
                continue
            if not dataset.records:
                raise DatasetError(f"The data set {dataset.name} is empty.", expected="at least one picture")
            bare = [record.name for record in dataset if not (record.caption or "").strip()]
            if bare:
                raise CaptionError(
                    f"{len(bare)} of {len(dataset)} pictures in {dataset.name} have no caption: {', '.join(bare[:5])}"
                    + (" …" if len(bare) > 5 else ""),
                    expected="a caption for every picture",
                    hint="put LW_TriggerCaptions before the training, or write .txt files beside the pictures.",
                )
        if self.dataset.trigger and (lost := self.dataset.missing_trigger()):
            raise CaptionError(
                f"The trigger word {self.dataset.trigger.word!r} isn't in the captions of: {', '.join(lost[:5])}",
                expected="the trigger word in every caption",
                hint="use LW_TriggerCaptions in the mode prepend or replace.",
            )
