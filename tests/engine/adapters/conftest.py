"""Tiny real models, and adapters with random values for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.kinds import LowRank
from tiny import Parts

if TYPE_CHECKING:
    from torch import nn

MakeAdapter = Callable[..., Adapter]


@pytest.fixture(scope="session")
def tiny_unet() -> nn.Module:
    """SD1.x's denoiser with widths of 32 and 64; linear layers and convolutions."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ).eval()


@pytest.fixture(scope="session")
def tiny_text_encoder() -> nn.Module:
    """SD1.x's text encoder with a width of 32."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        vocab_size=100,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


@pytest.fixture(scope="session")
def components(tiny_unet: nn.Module, tiny_text_encoder: nn.Module) -> Parts:
    return Parts({"denoiser": tiny_unet, "text_encoder": tiny_text_encoder})


@pytest.fixture(scope="session")
def make_adapter(components: Parts) -> MakeAdapter:
    """Make an adapter with random factors for every module whose key ends in one of ``targets``."""
    import torch

    def make(
        name: str = "fox",
        *,
        targets: tuple[str, ...] = ("to_q", "to_out.0", "ff.net.0.proj", "conv1", "q_proj", "out_proj", "mlp.fc1"),
        rank: int = 4,
        alpha: float = 2.0,
        seed: int = 1,
        family: str = "sd1",
        **metadata: Any,
    ) -> Adapter:
        generator = torch.Generator().manual_seed(seed)
        modules = {}
        for key, module in adaptable(components).items():
            if key.endswith(targets):
                out, *rest = module.weight.shape
                down = 0.3 * torch.randn(rank, *rest, generator=generator)
                up = 0.3 * torch.randn(out, rank, *[1] * (len(rest) - 1), generator=generator)
                modules[key] = LowRank(down=down, up=up, alpha=alpha)
        trigger = {"modelspec.trigger_phrase": f"ohwx {name}"}
        return Adapter(name=name, family=family, modules=modules, metadata={**trigger, **metadata})

    return make
