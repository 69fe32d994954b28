"""A job: one picture that a batch wants, with its place on the batch's axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..adapters.stack import Stack, StackEntry
from ..core.errors import ConfigError
from ..core.file_names import usable
from ..core.words import did_you_mean
from ..generation.batch import GenerationRequest, picture_size, stack_label
from ..models.contract import BackboneInfo


@dataclass(frozen=True, kw_only=True)
class Job:
    """One picture to draw."""

    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 25
    guidance: float = 7.0
    """Scale of classifier-free guidance; 1 disables it."""
    width: int = 0
    """In pixels; 0 for the base model's own resolution."""
    height: int = 0
    """In pixels; 0 for the base model's own resolution."""
    stack: Stack = field(default_factory=Stack)
    swept: int = 0
    """How many of the last entries of the stack an axis has put there."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Axis -> label of the job's value on it, in order of the axes."""

    @property
    def label(self) -> str:
        """The adapters used, as in ``stack_label``."""
        return stack_label(self.stack)

    @property
    def words(self) -> str:
        """What is special of the picture: its values on the axes, ``fox 0.8 · seed 3``."""
        return " · ".join(value_in_words(name, label) for name, label in self.places.items())

    @property
    def file_name(self) -> str:
        """The same as the name of a file, without an extension."""
        return usable(self.words.replace(" · ", "_").replace(" ", "-"), instead="picture")

    def request(self, info: BackboneInfo, batch_size: int = 1) -> GenerationRequest:
        """What ``generate`` would be asked for this picture alone, with its size in pixels."""
        request = GenerationRequest(
            prompts=(self.prompt,), seeds=(self.seed,), negative_prompt=self.negative_prompt, steps=self.steps,
            guidance=self.guidance, width=self.width, height=self.height, batch_size=batch_size,
        )  # fmt: skip
        width, height = picture_size(info, request)
        return replace(request, width=width, height=height)

    def adding(self, entries: tuple[StackEntry, ...]) -> Job:
        """The job with entries of an axis at the end of its stack."""
        return replace(self, stack=Stack((*self.stack.entries, *entries)), swept=self.swept + len(entries))

    def weighing(self, name: str, weight: float) -> Job:
        """The job with another weight, of denoiser and text encoder, for one adapter.

        Args:
            name: of the adapter; empty for the one that an axis has put there or, if none has, the stack's only one.
            weight: of both.

        Raises:
            ConfigError: the stack has several adapters that could be meant.
        """
        entries = list(self.stack.entries)
        meant = self._named(name) if name else self._only()
        for place in meant:
            entries[place] = replace(entries[place], weight=weight, text_encoder_weight=weight)
        return replace(self, stack=Stack(tuple(entries)))

    def _named(self, name: str) -> list[int]:
        wanted = name.casefold()
        return [n for n, entry in enumerate(self.stack.entries) if entry.adapter.name.casefold() == wanted]

    def _only(self) -> list[int]:
        places = range(len(self.stack.entries))
        meant = [*places[len(places) - self.swept :]] or [*places]
        if len(meant) > 1:
            names = ", ".join(self.stack.entries[place].adapter.name for place in meant)
            raise ConfigError(
                f"Weights are swept, and the stack has several adapters: {names}.",
                expected="the name of the adapter whose weight is swept",
                hint="write one of these names into adapter, or sweep the weights of stacks by lines such as "
                "fox:0.8 + riso:0.6.",
            )
        return meant


def value_in_words(axis: str, label: str) -> str:
    """A value with the axis that it is of, where it doesn't say so by itself: ``waving``, but ``seed 3``."""
    says_so = axis in {"prompt", "adapters", "stack", "snapshot", "size"} or axis.startswith("replace in prompt")
    return label if says_so else f"{axis} {label}"


def no_such_adapter(name: str, known: list[str]) -> ConfigError:
    """What to tell where weights of an adapter are swept that no stack has."""
    names = list(dict.fromkeys(known))
    return ConfigError(
        f"Weights of {name or 'an adapter'} are swept, and no stack has it{did_you_mean(name, names) or '.'}",
        expected=f"one of {', '.join(names)}" if names else "a stack with an adapter",
        hint="connect a stack, or correct the name.",
    )
