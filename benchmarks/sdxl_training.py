"""A LoRA step at SDXL's size on a GPU, beside the same step as diffusers' training scripts write it with peft.

    python benchmarks/sdxl_training.py [--side 1024] [--batch 1] [--rank 16]

A UNet of SDXL's sizes with random weights in bf16, one cached latent and prompt, attention layers adapted, AdamW, no
gradient checkpointing. Theirs is `train_dreambooth_lora_sdxl.py`: peft's layers, trainable weights in float32, autocast
to bf16. The two take turns in one process. Told are the median milliseconds of a step (forward, backward and update),
the largest memory beyond the frozen weights, and what share that is of the card's speed at a large matrix product.

On an H200 with torch 2.11: at 1024 px and batch 1 ours takes 326 ms and 5.8 GB, theirs 368 ms and 7.8 GB (1.13 times
the steps, 0.74 of the memory); at 512 px and batch 4 ours takes 351 ms and 5.9 GB, theirs 387 ms and 8.1 GB (1.10 and
0.73). That is 6 % of what the card can do. Its kernels are busy for 80 ms of a step; the rest is Python starting
thousands of small ones, for the UNet and for 560 adapted layers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.models.contract import Conditioning
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.training.loop import Trainer
from lora_workbench.engine.training.loss import StepLoss
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.training_set import TrainingSet
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
DEVICE = "cuda"


def backbone() -> Any:
    """SDXL's backbone around a UNet of full size with random weights; its encoders stay tiny, as latents are cached."""
    from diffusers import UNet2DConditionModel
    from tiny import save_tiny_sdxl

    with tempfile.TemporaryDirectory() as folder:
        base: Any = load_base(save_tiny_sdxl(Path(folder)), device=DEVICE, precision="bf16")
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(DEVICE):
        unet: Any = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(ASSETS / "sdxl_config" / "unet"))
    torch.set_default_dtype(torch.float32)
    base._unet = unet.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return base


def conditioning(batch: int) -> Conditioning:
    generator = torch.Generator("cuda").manual_seed(0)
    normal = {"device": "cuda", "generator": generator}
    return Conditioning(states=torch.randn(batch, 77, 2048, **normal), pooled=torch.randn(batch, 1280, **normal))


def our_step(base: Any, recipe: Recipe, latents: torch.Tensor, folder: Path) -> tuple[Callable[[], Any], Any]:
    """(one step of the trainer's own loop, what takes the adapter out again)."""
    captions = [str(number) for number in range(len(latents))]
    subject = TrainingSet(
        latents=[[latent] for latent in latents], weights=None, captions=[(caption,) for caption in captions],
        embeddings={caption: conditioning(1) for caption in captions}, buckets=[list(range(len(latents)))],
    )  # fmt: skip
    targets = {"denoiser": base.info.target_presets["attention"]}
    manager = injected(
        KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=recipe.adapter.rank, alpha=recipe.adapter.alpha,
        seed=0,
    )  # fmt: skip
    injection = manager.__enter__()
    trainer = Trainer(
        backbone=base, trainee=injection, recipe=recipe,
        loss=StepLoss(backbone=base, recipe=recipe, subject=subject, prior=None, seed=0),
        state_path=folder / "state.safetensors",
    )  # fmt: skip
    events = trainer.run()

    def take_out() -> None:
        events.close()
        manager.__exit__(None, None, None)

    return lambda: next(event for event in events if isinstance(event, StepDone)), take_out


def peft_step(base: Any, recipe: Recipe, latents: torch.Tensor) -> tuple[Callable[[], Any], Any]:
    """The same as diffusers' script does it."""
    from diffusers import DDPMScheduler
    from peft import LoraConfig

    unet, rank = base.denoiser, recipe.adapter.rank
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    parameters = [p for p in unet.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2)
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    states, count = conditioning(len(latents)), len(latents)
    side = latents.shape[-1] * 8
    extra = {
        "text_embeds": states["pooled"].bfloat16(),
        "time_ids": torch.tensor([[side, side, 0, 0, side, side]] * count, device="cuda", dtype=torch.bfloat16),
    }

    def step() -> float:
        noise = torch.randn_like(latents)
        t = torch.randint(0, 1000, (count,), device="cuda")
        noisy = scheduler.add_noise(latents, noise, t)
        with torch.autocast("cuda", torch.bfloat16):
            predicted = unet(noisy, t, states["states"].bfloat16(), added_cond_kwargs=extra).sample
        loss = functional.mse_loss(predicted.float(), noise.float())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step, lambda: unet.unload_lora()


def measured(step: Callable[[], Any], steps: int) -> tuple[list[float], float]:
    """(seconds of each step after two that don't count, gigabytes at most beyond what lay there before)."""
    for _ in range(2):
        step()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds, (torch.cuda.max_memory_allocated() - before) / 1e9


def card_speed() -> float:
    """FLOP/s of a large bf16 matrix product on random values."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        torch.mm(a, b)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(10):
        torch.mm(a, b)
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - began)


def step_flops(step: Callable[[], Any]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1024, help="pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="print where our step spends its time")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device; nothing was measured.")
        return
    base = backbone()
    latents = torch.randn(args.batch, 4, args.side // 8, args.side // 8, device="cuda")
    recipe = Recipe.of(rank=args.rank, alpha=args.rank, batch_size=args.batch, steps=1000, resolution=args.side)
    seconds: dict[str, list[float]] = {"ours": [], "peft": []}
    memory = dict.fromkeys(seconds, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "ours": lambda: our_step(base, recipe, latents, Path(folder)),
            "peft": lambda: peft_step(base, recipe, latents),
        }
        for _ in range(args.rounds):
            for name, make in ways.items():
                step, take_out = make()
                taken, most = measured(step, args.steps)
                seconds[name] += taken
                memory[name] = max(memory[name], most)
                take_out()
                torch.cuda.empty_cache()
        step, take_out = ways["ours"]()
        flops = step_flops(step)
        if args.profile:
            print_profile(step)
        take_out()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    print(f"{args.side} px, batch {args.batch}, rank {args.rank}")
    for name, median in medians.items():
        print(f"{name}: {median * 1e3:7.1f} ms a step, {memory[name]:5.2f} GB beyond the frozen weights")
    print(f"peft / ours: {medians['peft'] / medians['ours']:.2f}")
    share = flops / medians["ours"] / card_speed()
    print(f"ours: {flops / 1e12:.1f} TFLOP a step, {share:.0%} of the card's speed at a matrix product")


def print_profile(step: Callable[[], Any]) -> None:
    with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:
        step()
        torch.cuda.synchronize()
    print(profile.key_averages().table(sort_by="self_device_time_total", row_limit=25, max_name_column_width=60))


if __name__ == "__main__":
    main()
