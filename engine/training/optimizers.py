"""Optimizers by name. ``state.py`` saves and restores the state of any of them.

What a function takes beside the weight decay are its own arguments, which ``optimizer_settings`` may give.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.registry import Registry
from .muon import Groups, muon_with_adamw

if TYPE_CHECKING:
    from torch import optim

Pair = tuple[float, float]


MakeOptimizer = Callable[..., "optim.Optimizer"]
"""Creates an optimizer of parameter groups, each with ``params`` and ``lr``, of ``weight_decay``, and of arguments of
its own with defaults."""

OPTIMIZERS: Registry[MakeOptimizer] = Registry("optimizer", ConfigError)


def adamw(
    groups: Groups, *, weight_decay: float, betas: Pair = (0.9, 0.999), eps: float = 1e-8, amsgrad: bool = False
) -> optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), with a fused kernel for the update."""
    import torch

    return torch.optim.AdamW(groups, weight_decay=weight_decay, betas=betas, eps=eps, amsgrad=amsgrad, fused=True)


def adamw_8bit(
    groups: Groups,
    *,
    weight_decay: float,
    betas: Pair = (0.9, 0.999),
    eps: float = 1e-8,
    min_8bit_size: int = 4096,
) -> optim.Optimizer:
    """AdamW with moments of 8 bits (Dettmers et al. 2022, arXiv:2110.02861). Tensors below ``min_8bit_size`` values
    keep theirs in float32."""
    return _bitsandbytes().optim.AdamW8bit(
        groups, weight_decay=weight_decay, betas=betas, eps=eps, min_8bit_size=min_8bit_size
    )


def adafactor(
    groups: Groups, *, weight_decay: float, decay_rate: float = -0.8, clip_threshold: float = 1.0
) -> optim.Optimizer:
    """Adafactor (Shazeer & Stern 2018, arXiv:1804.04235): second moments of rows and columns only.

    Its steps aren't scaled by the size of the weights, as torch's are, since B begins at zero and would hardly move.
    """
    from transformers import Adafactor

    return Adafactor(
        groups, weight_decay=weight_decay, decay_rate=decay_rate, clip_threshold=clip_threshold,
        scale_parameter=False, relative_step=False, warmup_init=False,
    )  # fmt: skip


def lion(groups: Groups, *, weight_decay: float, betas: Pair = (0.9, 0.99)) -> optim.Optimizer:
    """Lion (Chen et al. 2023, arXiv:2302.06675): the sign of the momentum. Needs 1/3 to 1/10 of AdamW's rate."""
    return _pytorch_optimizer("lion").Lion(groups, weight_decay=weight_decay, betas=betas)


def prodigy(
    groups: Groups,
    *,
    weight_decay: float,
    betas: Pair = (0.9, 0.999),
    d0: float = 1e-6,
    d_coef: float = 1.0,
    bias_correction: bool = False,
    safeguard_warmup: bool = True,
) -> optim.Optimizer:
    """Prodigy (Mishchenko & Defazio 2024, arXiv:2306.06101): estimates the rate, which ``lr`` multiplies."""
    return _pytorch_optimizer("prodigy").Prodigy(
        groups, weight_decay=weight_decay, betas=betas, d0=d0, d_coef=d_coef, bias_correction=bias_correction,
        safeguard_warmup=safeguard_warmup,
    )  # fmt: skip


def schedule_free_adamw(
    groups: Groups, *, weight_decay: float, betas: Pair = (0.9, 0.999), eps: float = 1e-8, r: float = 0.0
) -> optim.Optimizer:
    """Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682): an average of the weights replaces the decay of the
    rate. ``shown_weights`` gives that average."""
    return _pytorch_optimizer("schedule_free_adamw").ScheduleFreeAdamW(
        groups, weight_decay=weight_decay, betas=betas, eps=eps, r=r
    )


def muon(
    groups: Groups,
    *,
    weight_decay: float,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_steps: int = 5,
    betas: Pair = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    """Muon (Jordan et al. 2024): the momentum of a matrix, made orthogonal by ``ns_steps`` Newton-Schulz iterations.
    What isn't a matrix goes by AdamW, with ``betas`` and ``eps``.

    Steps are scaled as large as AdamW's (Liu et al. 2025, arXiv:2502.16982, eq. 4), so that it needs AdamW's rate.
    """
    import torch

    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(
            f"The optimizer muon needs torch 2.9 or later, and this is torch {torch.__version__}.",
            expected="a torch that has torch.optim.Muon",
            hint="update torch, in ComfyUI by updating ComfyUI; or choose another optimizer. adamw and adafactor need "
            "nothing.",
        )
    of_muon = {
        "momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps, "adjust_lr_fn": "match_rms_adamw",
    }  # fmt: skip
    return muon_with_adamw(
        groups, of_muon=of_muon, of_adamw={"betas": betas, "eps": eps}, weight_decay=weight_decay
    )  # fmt: skip


def _bitsandbytes() -> ModuleType:
    try:
        import bitsandbytes
    except ImportError as error:
        raise _missing("adamw_8bit", "bitsandbytes", "quantized") from error
    return bitsandbytes


def _pytorch_optimizer(wanted_by: str) -> ModuleType:
    try:
        import pytorch_optimizer
    except ImportError as error:
        raise _missing(wanted_by, "pytorch_optimizer", "optimizers") from error
    return pytorch_optimizer


def _missing(optimizer: str, library: str, extra: str) -> ConfigError:
    return ConfigError(
        f"The optimizer {optimizer} needs {library}, which can't be imported.",
        expected=f"{library} beside torch",
        hint=f'install it: pip install "lora-workbench[{extra}]", or in ComfyUI\'s Python, pip install {library}. '
        "adamw and adafactor need nothing.",
    )


for _make in (adamw, adamw_8bit, adafactor, lion, prodigy, schedule_free_adamw, muon):
    OPTIMIZERS.register(_make.__name__, _make)
