"""Notes on a run: settings that have no effect, cancel each other, or don't do what their names say.

Each note is one sentence with what was given, what comes of it and what to do. They are no errors: the run is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import Any

from ..core.fields import defaults_of, settings_of
from ..core.words import first_of
from ..data.dataset import Dataset
from ..data.goals import USUAL
from ..diffusion.shift import Shift
from ..models.contract import Backbone
from .averaging import decay_at
from .epochs import bucket_sizes, length, steps_per_epoch
from .levels import DETAIL, trained_levels, usual_tokens
from .preservation_notes import preservation_notes
from .recipe import GROUPS, Recipe
from .settings import AdapterSettings, Circumstances
from .sizes import sizes_of
from .suggestions import suggested_values
from .targets import chosen_layers, remarks

_LOW_PEAK = 0.75
"""Share of the learning rate that a run should reach."""
_HALF = 0.5
"""Share of a picture below which its crop may miss what its caption says."""
_FEW = 0.1
"""Share of the steps below which noise levels are hardly trained."""
_LOW_RANK = ("lora", "dora")
"""Kinds whose update has no higher rank than the recipe says."""
_WEAK = 1 / 16
"""alpha / rank below which an update is all but switched off at usual learning rates."""


_OTHER_RATES: Mapping[str, tuple[str, float, str]] = {
    "lion": ("adamw", 0.2, "takes a third to a tenth of that, as it steps by signs alone"),
    "lokr": ("lora", 3.0, "learned little at such rates on the demo base"),
}
"""Kinds and optimizers that need other rates than suggested ones -> what those are for, how many times as high a rate
to try first, and why. Lion's is its paper's (Chen et al. 2023, arXiv:2302.06675), LoKr's was measured
(``docs/training.md``)."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will be made of."""

    recipe: Recipe
    """With its resolution and steps filled in."""
    dataset: Dataset
    base: Backbone
    has_prior: bool | None
    """Whether there are regularization pictures; ``None`` if that isn't known yet."""
    instead: str = ""
    """What is trained in place of an adapter, for people; empty for an adapter."""

    @property
    def circumstances(self) -> Circumstances:
        return Circumstances(
            recipe=self.recipe,
            has_prior=self.has_prior is not False,
            all_cropped=all(record.crops for record in self.dataset),
            prediction_type=self.base.info.prediction_type,
            capabilities=self.base.info.capabilities,
            drops_references=self.dataset.has_pairs and "reference_guidance" in self.base.info.capabilities,
            has_masks=self.dataset.has_masks,
        )

    @property
    def suggested(self) -> list[dict[str, Any]]:
        """The values that are suggested for this base model, by goal."""
        return [suggested_values(goal, self.base.info) for goal in USUAL]


def notes(plan: Plan) -> list[str]:
    """What a person should know of a run before it starts, in the order of the settings."""
    checks = [check for check in _CHECKS if not (plan.instead and check in _OF_ADAPTERS)]
    return [told for check in checks for told in check(plan)]


def _unused(plan: Plan) -> list[str]:
    """Settings that were chosen and are declared to have no effect here."""
    told, circumstances = [], plan.circumstances
    for group, cls in GROUPS.items():
        defaults = defaults_of(cls)
        for name, declared in settings_of(cls).items():
            value = getattr(getattr(plan.recipe, group), name)
            usual = [defaults[name], declared.neutral, *(own[name] for own in plan.suggested if name in own)]
            if value in usual:
                continue
            if plan.instead and cls is AdapterSettings and name != "train_text_encoder":
                told.append(f"{name} = {_number(value)} has no effect: {plan.instead} trained, and no adapter.")
            elif declared.used and not declared.used(circumstances):
                told.append(f"{name} = {_number(value)} has no effect {declared.unused}.")
    return told


def _targets(plan: Plan) -> Iterator[str]:
    sizes_of(plan.base, plan.recipe.adapter)  # refuses patterns without layers
    yield from remarks(plan.base, plan.recipe.adapter)


def _rank(plan: Plan) -> Iterator[str]:
    settings, base = plan.recipe.adapter, plan.base
    if settings.kind not in _LOW_RANK or settings.rank_patterns:
        return
    shapes = base.module_shapes()
    sides = []
    for layer in chosen_layers(base, settings):
        parts = [shapes[part] for part, _ in base.file_parts(layer.key)]
        sides.append(min(sum(shape[0] for shape in parts), prod(parts[0][1:])))
    if not (small := sum(side < settings.rank for side in sides)):
        return
    yield (
        f"rank {settings.rank} is more than {small} of {len(sides)} layers can use: their smaller side is "
        f"{min(sides)} to {max(side for side in sides if side < settings.rank)}. The rest only makes the file larger."
    )


def _alpha(plan: Plan) -> Iterator[str]:
    settings = plan.recipe.adapter
    scale = settings.alpha / (sqrt(settings.rank) if settings.rank_stabilized else settings.rank)
    usual = any((own["rank"], own["alpha"]) == (settings.rank, settings.alpha) for own in plan.suggested)
    if scale > _WEAK or usual or settings.kind == "oft":
        return
    yield (
        f"alpha {settings.alpha:g} with rank {settings.rank} scales the update by {scale:.2g}, so that it learns "
        "little at a usual learning rate. Set alpha to the rank, or raise the rate."
    )


def _text_encoder(plan: Plan) -> Iterator[str]:
    if not plan.recipe.adapter.train_text_encoder or plan.recipe.optimizer.text_encoder_learning_rate:
        return
    yield "train_text_encoder has no effect, as text_encoder_learning_rate is 0; it only makes the run slower."


def _peak(plan: Plan) -> Iterator[str]:
    schedule, rate = plan.recipe.schedule, plan.recipe.optimizer.learning_rate
    share = max(plan.recipe.learning_rates(min(schedule.steps, schedule.warmup_steps + 1))) / rate
    if share >= _LOW_PEAK and schedule.warmup_steps <= schedule.steps:
        return
    yield (
        f"The learning rate never gets above {share:.0%} of {rate:g}: the warm-up takes {schedule.warmup_steps} steps, "
        f"and the run has {schedule.steps}. Set warmup_steps to {schedule.steps // 10}, or train for longer."
    )


def _optimizer(plan: Plan) -> Iterator[str]:
    optimizer, now = plan.recipe.optimizer, plan.recipe
    if optimizer.optimizer == "prodigy":
        if not 0.1 <= optimizer.learning_rate <= 10:
            yield (
                f"learning_rate {optimizer.learning_rate:g} doesn't suit prodigy, which finds the rate by itself and "
                "multiplies it by this. Set it to 1."
            )
        if now.adapter.train_text_encoder and optimizer.text_encoder_learning_rate != optimizer.learning_rate:
            yield "text_encoder_learning_rate has no effect with prodigy, which trains everything at one rate."
    if (reached := decay_at(now.schedule.steps - 1, optimizer.ema_decay)) < optimizer.ema_decay:
        yield (
            f"ema_decay {optimizer.ema_decay:g} isn't reached: after {now.schedule.steps} steps the moving average has "
            f"warmed up to {reached:.3g}. That is no harm; a lower decay would end with the same average."
        )
    if optimizer.optimizer == "schedule_free_adamw" and now.schedule.schedule != "constant":
        yield f"schedule_free_adamw averages in place of a schedule ({now.schedule.schedule}): set it to constant."


def _rate(plan: Plan) -> Iterator[str]:
    """A rate that was suggested, with a kind or an optimizer that needs another one."""
    adapter, optimizer = plan.recipe.adapter, plan.recipe.optimizer
    rate = optimizer.learning_rate
    suggested = next((own for own in plan.suggested if own.get("learning_rate") == rate), None)
    if suggested is None or optimizer.rate_search != "none":
        return
    for chosen, usual in ((adapter.kind, suggested.get("kind")), (optimizer.optimizer, suggested.get("optimizer"))):
        if chosen in _OTHER_RATES and chosen != usual:
            meant, factor, why = _OTHER_RATES[chosen]
            yield (
                f"learning_rate {rate:g} is suggested for {meant}, and {chosen} {why}. Set it to about "
                f"{rate * factor:.2g}, or rate_search to range_test."
            )


def _length(plan: Plan) -> Iterator[str]:
    if not plan.recipe.schedule.epochs:
        return
    yield f"epochs = {plan.recipe.schedule.epochs:g} decides the length: {length(plan.recipe, plan.dataset)}."


def _unseen(plan: Plan) -> Iterator[str]:
    steps, epoch = plan.recipe.schedule.steps, steps_per_epoch(plan.recipe, plan.dataset)
    if steps >= epoch:
        return
    yield f"{steps} steps don't show every picture once, which takes {epoch:.4g}. Train for longer."


def _fullness(plan: Plan) -> Iterator[str]:
    wanted, samples = plan.recipe.batches.batch_size, bucket_sizes(plan.dataset, plan.recipe.batches.resolution)
    if len(samples) == 1 and (pictures := samples.total()) < wanted:
        yield (
            f"batch_size {wanted} is more than the {pictures} pictures: each batch shows some of them more than once. "
            f"Set it to {pictures} or less."
        )
        return
    full = samples.total() / sum(-(-count // wanted) for count in samples.values())
    if len(samples) == 1 or full > wanted / 2:
        return
    yield (
        f"batch_size {wanted} is seldom reached: batches hold {full:.2g} pictures on average, as the pictures have "
        f"{len(samples)} sizes and a batch has one. Use fewer buckets, or a smaller batch_size."
    )


def _resolution(plan: Plan) -> Iterator[str]:
    side = plan.recipe.batches.resolution
    plain = [record for record in plan.dataset if not record.crops]
    if not plain or (largest := max(min(record.width, record.height) for record in plain)) >= side:
        return
    yield (
        f"resolution {side} is more than any picture has: the largest is {largest} pixels on its shorter side, and all "
        "are enlarged. Add larger pictures, or lower the resolution."
    )


def _squares(plan: Plan) -> Iterator[str]:
    """Long pictures without crops, of which the middle square is less than half."""
    shares = {r.name: min(r.width, r.height) / max(r.width, r.height) for r in plan.dataset if not r.crops}
    kept = sorted((share, name) for name, share in shares.items() if share < _HALF)
    if not kept:
        return
    told = first_of([f"{name} keeps {share:.0%}" for share, name in kept])
    yield (
        f"Only the middle square of each picture is trained: {told}. Put LW_BucketDataset before the training to keep "
        "their shapes, or crop them by hand."
    )


def _shift(plan: Plan) -> Iterator[str]:
    noise, info = plan.recipe.noise, plan.base.info
    if info.prediction_type != "flow":
        return
    if noise.noise_shift == "fixed" and noise.shift_factor == 1:
        yield "noise_shift = fixed has no effect, as shift_factor is 1."
    elif noise.noise_shift == "model" and info.shift == Shift():
        yield f"noise_shift = model has no effect, as {info.name or 'the base model'} is sampled without a shift."


def _high_noise(plan: Plan) -> Iterator[str]:
    """A shift that was chosen and leaves hardly any steps at the levels of details."""
    info, tokens = plan.base.info, usual_tokens(plan.recipe, plan.dataset, plan.base.info)
    levels = trained_levels(plan.recipe.noise, info)
    if levels in [trained_levels(Recipe.of(**own).noise, info) for own in plan.suggested]:
        return
    shifted, plain = (kept.share_below(DETAIL, tokens=tokens) for kept in (levels, replace(levels, shift=Shift())))
    if shifted >= _FEW or plain < _FEW:
        return
    factor, middle = levels.shift.factor(tokens), levels.quantiles([0.5], tokens=tokens).item()
    yield (
        f"Only {shifted:.1%} of the steps train below noise level {DETAIL}, where details are: the shift by "
        f"{factor:.3g} leaves half of them above {middle:.2f}. Choose a weaker shift, or none, to learn details."
    )


def _contrastive(plan: Plan) -> Iterator[str]:
    scale, info = plan.recipe.loss.contrastive_guidance, plan.base.info
    if scale == 1 or "classifier_free_guidance" not in info.capabilities or info.generation.guidance <= 1:
        return
    yield (
        f"contrastive_guidance {scale:g} is for base models that guidance was distilled into. Pictures of {info.name} "
        f"are generated with guidance {info.generation.guidance:g}, which then counts twice. Set it to 1, or generate "
        "with guidance 1."
    )


def _prior(plan: Plan) -> Iterator[str]:
    if not plan.has_prior or plan.recipe.prior.prior_weight:
        return
    yield "The regularization pictures count for nothing, as prior_weight is 0; they only make the run slower."


def _preservation(plan: Plan) -> Iterator[str]:
    yield from preservation_notes(plan.recipe, plan.dataset)


def _captions(plan: Plan) -> Iterator[str]:
    if plan.recipe.captions.caption_dropout < 1:
        return
    yield "caption_dropout 1 drops every caption, so that no word, nor the trigger word, is learned. Usually 0 to 0.1."


def _pairs(plan: Plan) -> Iterator[str]:
    if plan.dataset.has_pairs or "reference_guidance" not in plan.base.info.capabilities:
        return
    yield (
        f"{plan.base.info.name} edits pictures, and the data set has none before editing: it is trained as if they "
        "were blank. Load pairs with LW_PairDataset, or choose a base model that doesn't edit."
    )


def _masks(plan: Plan) -> Iterator[str]:
    masks = [record.mask for record in plan.dataset if record.mask]
    if masks and not plan.dataset.has_masks:
        yield (
            f"{len(masks)} of {len(plan.dataset)} pictures have masks, which change nothing: no node gave them "
            "a weight. Put LW_MaskDataset with a floor below 1 before the training to use them."
        )


def _samples(plan: Plan) -> Iterator[str]:
    settings, steps = plan.recipe.samples, plan.recipe.schedule.steps
    if settings.sample_every and not settings.sample_prompts:
        yield f"sample_every = {settings.sample_every} has no effect without sample_prompts."
    elif settings.sample_prompts and not settings.sample_every:
        yield "sample_prompts are drawn only when somebody asks for it, as sample_every is 0."
    elif settings.sample_every > steps:
        yield f"There will be no sample pictures: sample_every is {settings.sample_every}, the run has {steps} steps."


def _saving(plan: Plan) -> Iterator[str]:
    settings, steps = plan.recipe.saving, plan.recipe.schedule.steps
    if settings.save_every > steps and settings.save_every != defaults_of(type(settings))["save_every"]:
        yield f"save_every = {settings.save_every} has no effect: the run has {steps} steps."
    if late := [str(step) for step in settings.snapshot_steps if step > steps]:
        yield f"There will be no snapshot after step {first_of(late)}: the run has {steps} steps."
    if settings.snapshot_every >= steps:
        yield (
            f"snapshot_every = {settings.snapshot_every} gives no snapshot: the run has {steps} steps, and after the "
            "last one there is the result itself."
        )
    epochs = steps / steps_per_epoch(plan.recipe, plan.dataset)
    if settings.snapshot_epochs and settings.snapshot_epochs >= epochs:
        yield f"snapshot_epochs = {settings.snapshot_epochs:g} gives no snapshot: the run has {epochs:.3g} epochs."


def _measuring(plan: Plan) -> Iterator[str]:
    settings = plan.recipe.measuring
    if plan.instead:
        return
    if settings.measures and not settings.holds_out:
        yield "Memorisation can't be measured, as no pictures are held out. Set held_out to 0.1 to 0.25 to know it."
    elif settings.holds_out and not settings.measures:
        yield "Pictures are held out, and nothing is measured on them. Turn measures on, or train on all pictures."


def _repeats(plan: Plan) -> Iterator[str]:
    repeats = {record.repeats for record in plan.dataset}
    if len(repeats) > 1 or repeats == {1} or plan.recipe.schedule.epochs:
        return
    yield (
        f"All pictures have {max(repeats)} repeats, which changes nothing in a run that goes by steps: repeats weigh "
        "pictures against each other."
    )


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_CHECKS: tuple[Callable[[Plan], Iterable[str]], ...] = (
    _unused, _targets, _rank, _alpha, _text_encoder, _rate, _optimizer, _peak, _length, _unseen, _fullness, _resolution,
    _squares, _shift, _high_noise, _contrastive, _prior, _preservation, _captions, _pairs, _masks, _samples, _saving,
    _measuring, _repeats,
)  # fmt: skip
_OF_ADAPTERS = (_targets, _rank, _alpha, _rate)
