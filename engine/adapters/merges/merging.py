"""A stack of adapters as one adapter."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from ...core.errors import AdapterError, ConfigError
from ...core.events import Event, Progress
from ...core.words import counted, did_you_mean, first_of
from ..adapter import Adapter
from ..binding import HasComponents
from ..extraction import Share, Wanted, added, by_block, low_rank
from ..fused import base_weights
from ..kinds import Difference, LowRank, Update
from ..kinds.summing import bias_change, updated
from ..names import flat
from ..stack import Stack
from .aligning import Aligned, Contribution, aligned
from .factors import balanced, compressed, shaped, smaller_than_whole, together
from .header import Made, merged_metadata, words_of
from .methods import METHODS, Method, Name, Thinning

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDING = 1e-6
"""Singular values up to this share of the largest are nothing but rounding."""
_EVERYTHING = 2**31
_FINE = 0.01
"""Relative error up to which blocks aren't listed."""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """How to merge."""

    method: Name = "exact"
    wanted: Wanted = field(default_factory=lambda: Wanted(32))
    """Ranks of the result; ``exact`` has those that it needs."""
    thinning: Thinning = field(default_factory=Thinning)

    def check(self) -> None:
        """Refuse settings out of their ranges.

        Raises:
            ConfigError: naming all of them.
        """
        wrong = [
            *([] if self.method in METHODS else [f"method {self.method!r}{did_you_mean(self.method, METHODS)}"]),
            *([] if self.wanted.rank >= 1 else [f"rank {self.wanted.rank}"]),
            *([] if 0 < self.wanted.energy <= 1 else [f"energy {self.wanted.energy:g}"]),
            *([] if 0 < self.thinning.density <= 1 else [f"density {self.thinning.density:g}"]),
            *([] if 0 <= self.thinning.drop < 1 else [f"drop {self.thinning.drop:g}"]),
        ]
        if wrong:
            raise ConfigError(
                f"Can't merge with {', '.join(wrong)}.",
                expected=f"a method of {', '.join(METHODS)}; rank 1 or more; energy and density above 0 and at most 1; "
                "drop from 0 to below 1",
                hint="change these settings.",
            )


@dataclass(frozen=True, kw_only=True)
class Merged:
    """One adapter out of several."""

    adapter: Adapter
    method: Method
    parts: Sequence[str]
    """The adapters with their weights, in words."""
    shares: Mapping[str, Share]
    """Module key -> what the result keeps of the combined change, for all modules that were cut to a rank."""
    notes: Sequence[str] = ()

    @property
    def share(self) -> Share:
        """Of all these modules together."""
        return added(self.shares.values())

    def report(self) -> dict[str, Any]:
        """As plain values."""
        blocks = {name: _short(share.error) for name, share in by_block(self.shares).items()}
        layers = {key: _short(share.error) for key, share in self.shares.items()}
        return {
            "name": self.adapter.name, "parts": list(self.parts), "layers": len(self.adapter.modules),
            "rank": self.adapter.rank, "error": _short(self.share.error), "energy": round(self.share.energy, 6),
            "errors_by_block": blocks, "errors_by_layer": layers, "triggers": list(self.adapter.triggers),
            "notes": list(self.notes),
        }  # fmt: skip

    def __str__(self) -> str:
        """As text: what was merged, how exactly, and what a person should know."""
        lines = [f"{self.adapter.name}: {self.method.told}.", *self.parts, self.adapter.description]
        if self.shares:
            lines.append(
                f"relative error {self.share.error:.2%} ({self.share.energy:.2%} of the energy kept); the worst layer "
                f"is {(worst := _worst(self.shares))}, {self.shares[worst].error:.2%}"
            )
            blocks = by_block(self.shares).items()
            lines += [
                f"{name}: error {own.error:.2%}, rank up to {own.rank}" for name, own in blocks if own.error > _FINE
            ]
        else:
            lines.append("no error but rounding")
        return "\n".join([*lines, *self.notes])


def merged(stack: Stack, how: Merge, *, name: str, base: HasComponents | None = None) -> Generator[Event, None, Merged]:
    """One adapter that does to a base model what the stack's active adapters do with their weights.

    Args:
        stack: of one family.
        how: the method, and its settings.
        name: of the result.
        base: the base model. DoRA and rotations depend on its weights, and it can tell which names mean one layer.

    Raises:
        AdapterError: the adapters don't belong together, or one needs a base model and there is none.
        ConfigError: a setting is out of its range.
    """
    how.check()
    found = aligned(stack, base)
    weights = _weights(base, found)
    method = METHODS[how.method]
    modules: dict[str, Update] = {}
    shares: dict[str, Share] = {}
    for done, (key, parts) in enumerate(found.modules.items()):
        yield Progress(done=done, total=len(found.modules), label="merging layers")
        _refuse_infinite(key, parts)
        modules[key], share = _combined(key, parts, how, partial(weights, key))
        if share is not None:
            shares[key] = share
    entries = stack.active()
    adapter = Adapter(
        name=name, family=found.family, modules=modules, key_style=found.key_style, bound=found.bound,
        embeddings=words_of(entries),
    )  # fmt: skip
    metadata = merged_metadata(adapter, entries, Made(how.method, _settings(how)))
    return Merged(
        adapter=replace(adapter, metadata=metadata),
        method=method,
        parts=[_in_words(part) for part in entries],
        shares=shares,
        notes=[*_notes(stack, found, modules, how)],
    )


def _combined(
    key: str, parts: Sequence[Contribution], how: Merge, weight: Callable[[], Tensor]
) -> tuple[Update, Share | None]:
    """One update of a module, and what it keeps if it was cut to a rank."""
    combine = METHODS[how.method].combine
    bias = bias_change((part.update, part.weight) for part in parts)
    if all(part.update.only_bias for part in parts):
        return Difference(None, bias), None
    both = [(part.update, part.weight) for part in parts]
    whole = None if combine else together(both)
    if whole is not None:
        update, share = _of_factors(whole, how)
        return replace(balanced(shaped(update, _shape(parts))), bias=bias), share
    if combine is None:
        before = _before(parts, weight)
        change = updated(before, both) - before
    else:
        real = [part for part in parts if not part.update.only_bias]
        before = _before(parts, weight)
        changes = [part.update.change(before, part.weight) for part in real]
        labels = [f"{flat(key)} {part.entry.adapter.content_hash}" for part in real]
        change = combine(changes, labels, how.thinning)
    update, share = _of_whole(change.cpu(), how)
    return replace(update, bias=bias), share  # type: ignore[type-var]


def _of_factors(whole: LowRank, how: Merge) -> tuple[LowRank, Share | None]:
    if how.method != "exact":
        return compressed(whole, how.wanted)
    most = min(whole.up.shape[0], whole.down.shape[1])
    if whole.rank > most:  # more ranks than the weight has
        return compressed(whole, Wanted(most, negligible=_ROUNDING))[0], None
    return whole, None


def _of_whole(change: Tensor, how: Merge) -> tuple[Update, Share | None]:
    """A change of all values as a LoRA; as a difference where it is a vector, or where exactness takes more values."""
    if change.ndim < 2:
        return Difference(change), None
    if how.method != "exact":
        update, share = low_rank(change, how.wanted)
        return balanced(update), share
    exact, _ = low_rank(change, Wanted(_EVERYTHING, negligible=_ROUNDING))
    return (balanced(exact) if smaller_than_whole(exact) else Difference(change.contiguous())), None


def _shape(parts: Sequence[Contribution]) -> tuple[int, ...]:
    """Of the weight; the longest that updates tell, as some don't know the sides of a kernel."""
    return max((part.update.weight_shape for part in parts if not part.update.only_bias), key=len)


def _before(parts: Sequence[Contribution], weight: Callable[[], Tensor]) -> Tensor:
    """The base model's weight in float32, or zeros of its shape where the change doesn't depend on it."""
    import torch

    if all(part.update.additive for part in parts):
        return torch.zeros(_shape(parts))
    return weight().float().cpu()


def _weights(base: HasComponents | None, found: Aligned) -> Callable[[str], Tensor]:
    """A function from a module key to the base model's weight, or its part of a fused layer's.

    Raises:
        AdapterError: the change of a module depends on the weight, and there is no base model.
    """
    if base is not None:
        return base_weights(base, found.modules)
    needing = {
        part.name: part.update.kind for parts in found.modules.values() for part in parts if not part.update.additive
    }
    if needing:
        told = first_of([f"{name} ({kind})" for name, kind in needing.items()])
        raise AdapterError(
            f"What {told} changes depends on the weights of the base model.",
            expected="the base model that the adapters are for",
            hint="connect it to the input base, or name it with --base.",
        )
    return _unneeded


def _unneeded(key: str) -> Tensor:
    raise AssertionError(f"{key} was refused before")


def _refuse_infinite(key: str, parts: Iterable[Contribution]) -> None:
    for part in parts:
        own = part.update.parts(alpha_apart=True).values()
        if not (isfinite(part.weight) and all(bool(tensor.isfinite().all()) for tensor in own)):
            raise AdapterError(
                f"{part.name} has NaN or infinite values in {key}, or a weight that isn't finite ({part.weight:g}).",
                expected="finite values and weights",
                hint="its training diverged: use an earlier snapshot, or leave it out.",
            )


def _settings(how: Merge) -> dict[str, Any]:
    """Those that the method uses."""
    values = vars(how.thinning) | {"rank": how.wanted.rank, "energy": how.wanted.energy}
    return {setting: values[setting] for setting in METHODS[how.method].uses}


def _in_words(entry: Any) -> str:
    adapter = entry.adapter
    encoder = any(not key.startswith("denoiser.") for key in adapter.modules)
    told = f", text encoder {entry.text_encoder_weight:g}" if encoder else ""
    return f"{adapter.name}: weight {entry.weight:g}{told}; {adapter.description}"


def _notes(stack: Stack, found: Aligned, modules: Mapping[str, Update], how: Merge) -> Iterator[str]:
    """What a person should know of the result."""
    for entry in stack.active():
        if not any(_has_effect(update) for update in entry.adapter.modules.values()):
            yield f"{entry.adapter.name} changes nothing: its alpha or its factors are 0."
    left_out = [entry.adapter.name for entry in stack.entries if not entry.active]
    if left_out:
        yield f"Left out, as they are off or of weight 0: {first_of(left_out)}."
    whole = [key for key, update in modules.items() if isinstance(update, Difference) and not update.only_bias]
    matrices = [key for key in whole if len(modules[key].weight_shape) > 1]
    if matrices:
        yield (
            f"{counted(len(matrices), 'layer')} changed in all ranks, such as {matrices[0]}, became full differences: "
            "ComfyUI and sd-scripts read them, diffusers doesn't, and the file is large. The method svd makes LoRAs."
        )
    yield from _rank_notes(modules, how)
    if not found.bound and found.key_style == "kohya":
        yield "Its names are those of the files: without a base model, whether they fit one isn't checked."


def _has_effect(update: Update) -> bool:
    return update.changes_anything() and (not update.scaled or update.alpha != 0)


def _rank_notes(modules: Mapping[str, Update], how: Merge) -> Iterator[str]:
    ranks = [update.rank for update in modules.values() if isinstance(update, LowRank)]
    if "rank" in METHODS[how.method].uses and ranks and max(ranks) < how.wanted.rank:
        yield f"Rank {how.wanted.rank} isn't reached: the adapters together have no more than {max(ranks)}."


def _worst(shares: Mapping[str, Share]) -> str:
    return max(shares, key=lambda key: shares[key].error)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
