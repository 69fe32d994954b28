"""Settings of the adapter: what is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...adapters.kinds import TRAINED
from ...adapters.kinds.first_values import FIRST_VALUES
from ...core.fields import Settings, raise_all, setting
from ..blocks import blocks_problem, pattern_problem
from ..rank_patterns import parse_rank_patterns, rank_patterns_problem
from .circumstances import Circumstances

TARGETS = ("attention", "attention_and_feed_forward", "all_layers")


def _has_noisy_rank(now: Circumstances) -> bool:
    adapter = now.recipe.adapter
    return adapter.kind == "lora" and 0 < adapter.noisy_rank < adapter.rank


def _has_targets(now: Circumstances) -> bool:
    return not now.recipe.adapter.layers or now.recipe.adapter.train_text_encoder


@dataclass(frozen=True, kw_only=True)
class AdapterSettings(Settings):
    """What is trained."""

    title = "Adapter"

    kind: str = setting(
        "lora", "Kind of adapter. LoRA adds a low-rank update to each weight, and loads everywhere; dora learns its "
        "length apart, loha and lokr multiply small matrices, oft rotates it in blocks of up to rank rows, gralora "
        "learns blocks of it apart.",
        choices=TRAINED,
    )  # fmt: skip
    rank: int = setting(
        16, "Inner dimension of the update. Higher ranks learn more and make larger files; usually 4 to 64.", minimum=1,
        maximum=1024,
    )  # fmt: skip
    alpha: float = setting(
        16.0, "The update is scaled by alpha / rank. Usually equal to rank, so that learning rates carry over between "
        "ranks.",
        above=0, maximum=4096, step=0.5, used=lambda now: now.recipe.adapter.kind != "oft",
        unused="on rotations (oft)",
    )  # fmt: skip
    targets: str = setting(
        "attention",
        "Layers to adapt. Attention is enough for subjects; add feed-forward layers for styles.",
        choices=TARGETS,
        used=_has_targets,
        unused="where layers chooses them",
    )
    train_text_encoder: bool = setting(
        False, "Train the text encoder as well. Rarely needed, and slower, since captions can't be encoded in advance.",
        neutral=False,
    )  # fmt: skip
    layers: str = setting(
        "", "The denoiser's layers to adapt, in place of targets: a regular expression that is found in their names, "
        "as in adapter files or in ComfyUI, such as to_[qv]$. Empty to go by targets.",
        neutral="", check=pattern_problem,
    )  # fmt: skip
    blocks: str = setting(
        "", "The denoiser's blocks to adapt, such as 0-7, 12 or single_blocks 1-16; double_blocks 0-1. Empty for all.",
        neutral="", check=blocks_problem,
    )  # fmt: skip
    noisy_rank: int = setting(
        0, "Ranks of a LoRA that learn at pure noise; toward clean pictures more do, up to all (T-LoRA, "
        "arXiv:2507.05964), so that few pictures teach less of their composition. The file is a plain LoRA, with all "
        "its ranks at all noise levels. Usually half of rank; 0 turns it off.",
        since="0.2", minimum=0, maximum=1024, neutral=0, used=_has_noisy_rank,
        unused="on kinds other than lora, nor if it equals rank",
    )  # fmt: skip
    noisy_rank_power: float = setting(
        1.0, "How soon ranks come in toward clean pictures: (1 - noise level) to this power of them. Above 1 later. "
        "Usually 1.",
        since="0.2", above=0, maximum=10, step=0.1, used=_has_noisy_rank, unused="without noisy_rank",
    )  # fmt: skip
    init: str = setting(
        "zero", "First values of LoRA: zero in B, as usual; pissa from the weight's principal part, in a file of twice "
        "the rank; orthogonal in both factors; svd_down with A from the weight's leading singular vectors.",
        choices=tuple(FIRST_VALUES), neutral="zero", since="0.2",
    )  # fmt: skip
    rank_stabilized: bool = setting(
        False, "Scale the update by alpha / sqrt(rank) instead (rsLoRA), so that high ranks learn as fast as low ones.",
        neutral=False, since="0.2",
    )  # fmt: skip
    rank_patterns: str = setting(
        "", "Ranks of some of the denoiser's layers: regular expressions that are found in their names, such as "
        "ff: 8, mid_block: 32/16, where 16 is alpha; without it the scale stays. The first that matches counts.",
        neutral="", check=rank_patterns_problem, since="0.2",
    )  # fmt: skip
    lokr_factor: int = setting(
        8, "Largest side of LoKr's first matrix. Higher factors make smaller files that learn less; usually 4 to 16.",
        minimum=1, maximum=1024, used=lambda now: now.recipe.adapter.kind == "lokr", unused="without the kind lokr",
        since="0.2",
    )  # fmt: skip
    gralora_k: int = setting(
        2, "Blocks of a side that GraLoRA divides each weight into. Its changes have this many times the rank, with as "
        "many values as LoRA, in a file this many times as large; usually 2, or 4 from rank 64 on.",
        minimum=2, maximum=64, used=lambda now: now.recipe.adapter.kind == "gralora",
        unused="without the kind gralora", since="0.2",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        raise_all([*self._contradictions()], self.title)

    def _contradictions(self) -> Iterator[str]:
        if self.init != "zero" and self.kind != "lora":
            yield f"init: got {self.init} with kind {self.kind}, which has first values of its own; set init to zero"
        if self.rank_stabilized and self.kind == "oft":
            yield "rank_stabilized: got true with kind oft, which has no scale; turn it off"
        ranks = [self.rank, *(pattern.rank for pattern in parse_rank_patterns(self.rank_patterns))]
        if self.init == "orthogonal" and (odd := [rank for rank in ranks if rank % 2]):
            yield f"init: got orthogonal with rank {odd[0]}, which must be even; set it to {odd[0] + 1}"
        if self.kind == "gralora" and (uneven := [rank for rank in ranks if rank % self.gralora_k]):
            yield f"gralora_k: got {self.gralora_k} with rank {uneven[0]}, which must be a multiple; change one of them"
        if self.noisy_rank > self.rank:
            yield f"noisy_rank: got {self.noisy_rank}, expected at most rank, which is {self.rank}"
        if self.noisy_rank and (self.rank_patterns or self.init == "pissa"):
            other = "rank_patterns" if self.rank_patterns else "init pissa"
            yield f"noisy_rank: got {self.noisy_rank} with {other}; set noisy_rank to 0, or leave out {other}"
