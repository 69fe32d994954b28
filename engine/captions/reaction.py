r"""How strongly a base model reacts to a word: whether it already draws something when it reads it.

The reaction is the relative distance between the denoiser's predictions with the word alone as prompt and with the
empty prompt, on fixed noise: :math:`\lVert \epsilon(x_t, w) - \epsilon(x_t, \emptyset) \rVert / \lVert \epsilon(x_t,
\emptyset) \rVert`. By itself it says little, so it is set against words that most bases know and against random
letters that none was taught. On the demo base it tells 27 words that it was trained on from 40 random ones with an area
under the curve of 0.99; framed in a sentence (``a photo of {word}``) that falls to 0.62.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.cache import TensorCache
from ..core.events import Event, Progress
from ..core.keys import content_key
from ..models.contract import Backbone, Conditioning

if TYPE_CHECKING:
    from torch import Tensor

COMMON_WORDS = (
    "dog", "cat", "horse", "bird", "fish", "turtle", "flower", "tree", "house", "car", "boat", "rocket", "bridge",
    "chair", "clock", "guitar", "crown", "apple", "banana", "bread", "cake", "mountain", "castle", "robot",
)  # fmt: skip
RANDOM_WORDS = (
    "bqzl", "cvdw", "dxfm", "fzkt", "gvbn", "hwqd", "jxrm", "kzvp", "lqwx", "mvzd", "nqhf", "pxjw",
    "qumv", "zitw", "wobx", "vekz", "tuqd", "sowv", "ruxj", "piqz", "nuvk", "mojx", "lezq", "kufw",
)  # fmt: skip
"""Half without a vowel, half with one; no dictionary holds them."""

LEVELS = (0.8, 0.5)
"""Noise levels, 1 is pure noise: what a picture shows is decided between these."""
NOISES = 2
MAX_SIDE = 256
"""In pixels; the reaction is wanted and not the picture, and a quarter of the pixels takes a quarter of the time."""


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """A base model's reaction to a word, and those to the words that it is compared with."""

    value: float
    """Relative distance of the predictions, 0 or more."""
    common: tuple[float, ...]
    """To ``COMMON_WORDS``, sorted."""
    random: tuple[float, ...]
    """To ``RANDOM_WORDS``, sorted."""

    @property
    def above_common(self) -> int:
        """How many of the common words it reacts to less."""
        return sum(value < self.value for value in self.common)

    @property
    def above_random(self) -> int:
        """How many of the random words it reacts to less."""
        return sum(value < self.value for value in self.random)

    @property
    def known(self) -> bool:
        """Whether it is stronger than to every random word: a free word is taken for known in 1 of 25 cases."""
        return self.above_random == len(self.random)

    def in_words(self) -> str:
        """For example ``reaction 0.41: stronger than to 24 of 24 random and 20 of 24 common words``."""
        return (
            f"reaction {self.value:.2f}: stronger than to {self.above_random} of {len(self.random)} random "
            f"and {self.above_common} of {len(self.common)} common words"
        )


def reactions(
    backbone: Backbone, words: Sequence[str], cache: TensorCache
) -> Generator[Event, None, dict[str, Reaction]]:
    """The reaction to each word.

    Args:
        backbone: the base model; its encoders are used, not released.
        words: any texts.
        cache: keyed by the word and the base model's content; the words of comparison are measured once a base.
    """
    wanted = list(dict.fromkeys([*COMMON_WORDS, *RANDOM_WORDS, *words]))
    values: dict[str, float] = {}
    meter: _Meter | None = None
    for done, word in enumerate(wanted, 1):
        key = content_key("reaction", word, LEVELS, NOISES, backbone.info.content_hash, str(backbone.dtype))
        entry = cache.get(key)
        if entry is None:
            meter = meter or _Meter(backbone)
            entry = {"reaction": meter.measure(word)}
            cache.put(key, entry)
            yield Progress(done=done, total=len(wanted), label="weighing words")
        values[word] = float(entry["reaction"])
    common = tuple(sorted(values[word] for word in COMMON_WORDS))
    random = tuple(sorted(values[word] for word in RANDOM_WORDS))
    return {word: Reaction(value=values[word], common=common, random=random) for word in words}


class _Meter:
    """The noise, and the predictions without a word."""

    def __init__(self, backbone: Backbone) -> None:
        import torch

        self._backbone = backbone
        info = backbone.info
        side = min(info.resolution, MAX_SIDE) // info.latent_factor
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(NOISES, info.latent_channels, side, side, generator=generator).to(backbone.device)
        self._levels = backbone.timesteps(torch.tensor(LEVELS).repeat_interleave(NOISES))
        self._x = noise.repeat(len(LEVELS), 1, 1, 1) * self._levels.sigma.reshape(-1, 1, 1, 1)
        self._without = self._predict("")

    def _predict(self, prompt: str) -> Tensor:
        import torch

        with torch.no_grad():
            conditioning = self._backbone.encode_prompts([prompt])
            return self._backbone.predict(self._x, self._levels.t, Conditioning.join([conditioning] * len(self._x)))

    def measure(self, word: str) -> Tensor:
        """The reaction, a scalar."""
        return (self._predict(word) - self._without).norm() / self._without.norm()
