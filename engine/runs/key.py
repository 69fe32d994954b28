"""The inputs of a run, and the key derived from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..adapters.companions import Companions
from ..core.errors import CaptionError, DatasetError, TrainingError
from ..core.fields import raise_all, settings_of
from ..core.keys import content_key
from ..core.words import first_of
from ..data.class_captions import trigger_of, without_class_word
from ..data.dataset import Dataset
from ..data.limits import MAX_CHARACTERS
from ..data.regularization import refuse_shared
from ..models import FAMILIES
from ..models.contract import Backbone
from ..training.levels import trained_levels
from ..training.optimizer_settings import parse_optimizer_settings
from ..training.range_test import RangeTest
from ..training.recipe import Recipe, lacking
from ..training.settings import AdapterSettings, Circumstances
from ..training.slider import Slider
from .event_files import require_tensorboard


@dataclass(frozen=True, kw_only=True)
class NewWord:
    """A word that vectors are trained for."""

    word: str
    """As it stands in the captions."""
    vectors: int
    """How many; each takes the room of a token."""
    begins_as: str
    """The words whose tokens' vectors are the first values, in turn."""


OF_ADAPTERS = settings_of(AdapterSettings).keys() - {"train_text_encoder"}
"""Settings without an effect where all weights are trained."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that determines a trained adapter."""

    base: Backbone
    dataset: Dataset
    recipe: Recipe
    """With the resolution filled in."""
    regularization: Dataset | None
    seed: int
    companions: Companions = field(default_factory=Companions)
    """The adapters that are on while training, or that it starts from."""

    @cached_property
    def bound_companions(self) -> Companions:
        """The companions with the module keys of the base model.

        Raises:
            AdapterError: one doesn't fit.
        """
        return self.companions.bound_to(self.base)

    held: Dataset | None = None
    """The pictures that are held out of the training, to measure on; part of the key only with ``early_stop``."""
    slider: Slider | None = None
    """What makes the adapter a slider; the data set then has its pictures."""
    whole: bool = False
    """Whether all weights of the base model are trained, in place of an adapter."""
    word: NewWord | None = None
    """The word whose vectors are trained, in place of an adapter."""
    range_test: RangeTest | None = None
    """What found the learning rate, if it was searched for; no part of the key."""

    @property
    def trains_adapter(self) -> bool:
        return not self.whole and self.word is None

    @property
    def sets(self) -> list[Dataset]:
        """The data sets that have pictures: the training pictures, then the regularization pictures."""
        return [dataset for dataset in (self.dataset, self.regularization) if dataset]

    @cached_property
    def lineage(self) -> str:
        """Content hash of everything but the number of steps: runs that differ only in it continue each other."""
        circumstances = Circumstances(
            recipe=self.recipe,
            has_prior=self.regularization is not None,
            all_cropped=all(record.crops for dataset in self.sets for record in dataset),
            prediction_type=self.base.info.prediction_type,
            capabilities=self.base.info.capabilities,
            drops_references=self.dataset.has_pairs and "reference_guidance" in self.base.info.capabilities,
            has_masks=self.dataset.has_masks,
        )
        return content_key(
            "run",
            self.base.info.content_hash,
            f"{self.base.device.type} {self.base.dtype}",
            self.dataset.content_hash,
            self._keyed(circumstances) | self._never_dropped() | self._class_words() | self._shift(),
            self.regularization.content_hash if self.regularization else None,
            self.seed,
            *([self.companions.identity()] if self.companions.entries else []),
            *([content_key("slider", self.slider.key)] if self.slider else []),
            *([content_key("whole model")] if self.whole else []),
            *([content_key("word", self.word)] if self.word else []),
            *([self._early_stop()] if self.recipe.measuring.early_stop else []),
        )

    @property
    def batch(self) -> int:
        """Samples that go through the denoiser together with gradients: pictures, and those with preserved prompts."""
        batches, prior = self.recipe.batches, self.recipe.prior
        subject = batches.batch_size * (1 + prior.preserved_prompts)
        return subject + (prior.prior_batch_size if self.regularization else 0)

    @property
    def taught(self) -> int:
        """Samples whose predictions by the base model alone a step needs."""
        prior = self.recipe.prior
        by_mask = prior.mask_preservation > 0 and self.dataset.has_masks
        return self.recipe.batches.batch_size * (prior.preserved_prompts + by_mask)

    def _early_stop(self) -> str:
        """Content hash of what decides, beside the recipe's keyed settings, which verdict a snapshot gets, and when."""
        saving = self.recipe.saving
        snapshots = (saving.snapshot_steps, saving.snapshot_every, saving.snapshot_epochs)
        held = self.held.content_hash if self.held else None
        return content_key("early stop", content_key("figures"), snapshots, held, bool(self.dataset.triggers))

    def _class_words(self) -> dict[str, Any]:
        """The trigger and class words of the pictures, where the recipe preserves what the class gives."""
        if not self.recipe.prior.output_preservation:
            return {}
        words = [trigger_of(record, self.dataset) for record in self.dataset]
        return {"class_words": [(word.word, word.class_word) if word else ("", "") for word in words]}

    def _keyed(self, circumstances: Circumstances) -> dict[str, Any]:
        """The settings that the result depends on: none that describes an adapter where none is trained."""
        keyed = self.recipe.keyed(circumstances)
        return keyed if self.trains_adapter else {name: keyed[name] for name in keyed if name not in OF_ADAPTERS}

    def _never_dropped(self) -> dict[str, str]:
        """The trigger word, where it decides which tags are dropped."""
        if not (self.recipe.captions.tag_dropout and self.dataset.triggers):
            return {}
        return {"never_dropped": ", ".join(trigger.word for trigger in self.dataset.triggers)}

    def _shift(self) -> dict[str, Any]:
        """The shift of noise levels, where the recipe's settings don't say all of it."""
        info, noise = self.base.info, self.recipe.noise
        if info.prediction_type != "flow" or noise.noise_shift in ("none", "fixed"):
            return {}
        return {"shift": trained_levels(noise, info).shift.lines, "patch": info.patch}

    def check(self) -> None:
        """Refuse inputs that can't be trained on, before any work is done.

        Raises:
            TrainingError: the recipe trains the text encoder, or there are pairs, and this base model can't; or it
                wants what only adapters can have, and all weights are trained.
            ConfigError: the optimizer's own settings are unknown to it, or a setting lacks another one, or a library.
            DatasetError: a set is empty, holds pairs and other pictures, or both have a picture in common.
            CaptionError: a caption is missing, absurdly long, or lacks the trigger word, or a class word is missing.
        """
        prior = self.recipe.prior
        if not self.trains_adapter and (prior.preserved_prompts or prior.mask_preservation):
            trained = _trained_instead(self)
            instead = ", and connect regularization pictures" if self.whole else ": nothing else of the model changes"
            raise TrainingError(
                f"The recipe preserves what the base model predicts by itself, and {trained} trained.",
                expected="preservation only where an adapter is trained, which can be switched off",
                hint=f"set output_preservation, blank_preservation and mask_preservation to 0{instead}.",
            )
        if not self.trains_adapter and self.recipe.optimizer.rate_search != "none":
            raise TrainingError(
                "The recipe searches for the learning rate, which is only possible where an adapter is trained.",
                expected="a number as the learning rate",
                hint="write one; 1e-6 to 1e-5 is usual where all weights are trained, 5e-4 to 1e-2 for an embedding.",
            )
        parse_optimizer_settings(self.recipe.optimizer.optimizer, self.recipe.optimizer.optimizer_settings)
        if self.recipe.adapter.train_text_encoder and "text_encoder_training" not in self.base.info.capabilities:
            raise TrainingError(
                f"The recipe trains the text encoder, but that of {self.base.info.name} can't be trained.",
                expected="a base model with CLIP text encoders, or train_text_encoder off",
                hint="turn train_text_encoder off; few adapters benefit from it.",
            )
        for dataset in (self.dataset, self.regularization):
            if dataset is not None:
                check_captions(dataset)
        _check_held(self)
        raise_all(lacking(self.recipe), "The recipe")
        if self.recipe.saving.tensorboard:
            require_tensorboard()
        _check_pairs(self)
        _check_preservation(self)
        if self.regularization is not None:
            for dataset in filter(None, (self.dataset, self.held)):
                refuse_shared(dataset, self.regularization)
        check_trigger(self.dataset)


def _trained_instead(run: Run) -> str:
    """What is trained in place of an adapter, for people."""
    return "all of its weights are" if run.whole else "the vectors of a word are"


def check_measuring(recipe: Recipe, trained: str) -> None:
    """Refuse measures, which compare an adapter with the base model on pictures of what it learns, where none is.

    Args:
        recipe: of the run.
        trained: what is trained, for people: ``a slider is``.

    Raises:
        TrainingError: the recipe asks for measures or held-out pictures.
    """
    if asked := recipe.measuring.in_words:
        raise TrainingError(
            f"The recipe has {asked}, and {trained} trained.",
            expected="measures and held-out pictures only where an adapter is trained on pictures",
            hint="write measures = false; held_out = 0; early_stop = 0 into settings, and name no held_out_pictures.",
        )


def _check_held(run: Run) -> None:
    """Held-out pictures must be of the kind that is trained on, and the run must be of an adapter."""
    if run.slider or not run.trains_adapter:
        check_measuring(run.recipe, "a slider is" if run.slider else _trained_instead(run))
    held, dataset = run.held, run.dataset
    if held is None:
        return
    check_captions(held)
    if other := [record.name for record in held if bool(record.reference) is not dataset.has_pairs]:
        raise DatasetError(
            f"Held-out pictures are {'plain' if dataset.has_pairs else 'pairs'}, unlike those that are trained on: "
            f"{first_of(other)}",
            expected="pairs alone, or no pairs",
            hint="hold out other pictures, or leave one kind out of the data set.",
        )


def _check_pairs(run: Run) -> None:
    """Regularization pictures may be plain where the data set has pairs: they keep what the model does without any."""
    sets = [dataset for dataset in run.sets if dataset.has_pairs]
    for dataset in sets:
        if plain := [record.name for record in dataset if not record.reference]:
            raise DatasetError(
                f"{len(plain)} of {len(dataset)} pictures in {dataset.name} have no picture before editing: "
                f"{first_of(plain)}",
                expected="pairs alone, or no pairs",
                hint="train pairs and other pictures in two runs, or leave one kind out.",
            )
    if sets and not run.dataset.has_pairs:
        raise DatasetError(
            "The regularization set holds pairs, and the data set doesn't.",
            expected="regularization pictures without pictures before editing",
            hint="load them with LW_LoadDataset, or load the data set's pairs with LW_PairDataset.",
        )
    if sets and "reference_pictures" not in run.base.info.capabilities:
        able = [family.traits.title for family in FAMILIES if "reference_pictures" in family.capabilities]
        raise TrainingError(
            f"{run.dataset.name} holds pairs for an edit model, and {run.base.info.name} doesn't edit pictures.",
            expected=f"an edit model ({', '.join(able)}), or pictures without those before editing",
            hint="choose an edit model; to train on the results alone, load their folder with LW_LoadDataset.",
        )


def _check_preservation(run: Run) -> None:
    """A slider has no subject to keep apart from its class, and class captions need class words."""
    settings = run.recipe.prior
    if run.slider and settings.preserves:
        raise TrainingError(
            f"The recipe has {settings.preservation_in_words}, which a slider can't have: it learns a direction "
            "at both ends, no subject.",
            expected="0 for each of them",
            hint="write that into settings; preserve of LW_TrainSlider names what must not change.",
        )
    if settings.output_preservation and (lost := without_class_word(run.dataset)):
        words = ", ".join(repr(trigger.word) for trigger in run.dataset.triggers) or "none"
        raise CaptionError(
            f"output_preservation is {settings.output_preservation:g}, and {len(lost)} of {len(run.dataset)} pictures "
            f"in {run.dataset.name} have no class word (trigger words: {words}): {first_of(lost)}",
            expected="the class of the subject, such as dog or style, which takes the trigger word's place",
            hint="set class_word in LW_TriggerCaptions, or use blank_preservation, which needs none.",
        )


def check_trigger(dataset: Dataset) -> None:
    """Refuse captions without the trigger word.

    Raises:
        CaptionError: a caption lacks it.
    """
    if dataset.triggers and (lost := dataset.missing_trigger()):
        words = ", ".join(repr(trigger.word) for trigger in dataset.triggers)
        raise CaptionError(
            f"The trigger word {words} is missing from the captions of: {first_of(lost)}",
            expected="the trigger word in every caption",
            hint="use LW_TriggerCaptions with mode prepend or replace.",
        )


def check_captions(dataset: Dataset) -> None:
    """Refuse a data set without pictures, or with captions that can't be trained on.

    Raises:
        DatasetError: it is empty.
        CaptionError: a caption is missing, or absurdly long.
    """
    if not dataset.records:
        raise DatasetError(
            f"The data set {dataset.name} is empty.",
            expected="at least one picture",
            hint="choose a folder with pictures, or keep some of them.",
        )
    if bare := [record.name for record in dataset if not (record.caption or "").strip()]:
        raise CaptionError(
            f"{len(bare)} of {len(dataset)} pictures in {dataset.name} have no caption: {first_of(bare)}",
            expected="a caption for every picture",
            hint="add LW_TriggerCaptions before training, or put .txt files beside the pictures.",
        )
    if absurd := [f"{r.name} ({len(r.caption or ''):,})" for r in dataset if len(r.caption or "") > MAX_CHARACTERS]:
        raise CaptionError(
            f"{len(absurd)} captions in {dataset.name} are too long, with their characters: {first_of(absurd)}",
            expected=f"at most {MAX_CHARACTERS:,} characters, about {MAX_CHARACTERS // 4:,} tokens",
            hint="shorten them; check that their files hold captions.",
        )
