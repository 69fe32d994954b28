"""Distill the demo base: guidance baked in, four steps; and train the adapter that undoes it, for training.

- *Distilled*: the denoiser learns, at the four timesteps of its sampler, the step that takes it to where eight guided
  steps of the teacher arrive: guidance distillation (Meng et al. 2023, arXiv:2210.03142) and progressive distillation
  (Salimans & Ho 2022, arXiv:2202.00512) at once. One call without guidance in place of four with it.
- *Training adapter*: a LoRA on the distilled denoiser that predicts with it as the teacher does, with and without a
  prompt, at all timesteps.

No pictures are needed: the teacher's own are what both learn from. It takes about three minutes on one core.

    python assets/make/distill_demo.py --out output/distilled
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import world
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.resources import DEMO_BASE
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.registry import load_base
from measuring import prompt
from torch import Tensor

STEPS = 4
"""Of the distilled model."""
TEACHER_STEPS = 2
"""Of the teacher for each of them."""
GUIDANCE = 3.0
RANK = 16
"""Of the training adapter."""
CHUNK = 32
"""Pictures that the teacher draws at once."""
ADAPTER = "training_adapter.safetensors"


@dataclass(frozen=True)
class Lessons:
    """What the teacher drew."""

    places: Tensor
    """Latents at the timesteps of the distilled sampler, and clean ones at last, (N, STEPS + 1, C, h, w)."""
    prompts: Conditioning
    """Batch N."""
    empty: Conditioning
    """Batch 1."""

    def batches(self, size: int, steps: int, seed: int) -> Iterator[tuple[Tensor, torch.Generator]]:
        """Numbers of random lessons, (size,), and the generator that they are drawn with."""
        generator = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            yield torch.randint(len(self.places), (size,), generator=generator), generator


def drawn(teacher: Backbone, count: int, seed: int = 0) -> Lessons:
    """``count`` pictures of random prompts of the narrow world, with guidance, step by step."""
    rng, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    prompts = [_prompt(rng) for _ in range(count)]
    side = teacher.info.resolution // teacher.info.latent_factor
    shape = (count, teacher.info.latent_channels, side, side)
    noise, places = torch.randn(shape, generator=generator), []
    with torch.no_grad():
        encoded, empty = teacher.encode_prompts(prompts), teacher.encode_prompts([""])
    for at in range(0, count, CHUNK):
        now = slice(at, at + CHUNK)
        own = encoded.pick(now)
        negative = Conditioning.join([empty] * len(noise[now]))
        steps = teacher.sample(noise[now], own, negative, steps=STEPS * TEACHER_STEPS, guidance=GUIDANCE)
        places.append(torch.stack([noise[now], *list(steps)[TEACHER_STEPS - 1 :: TEACHER_STEPS]], dim=1))
    return Lessons(torch.cat(places), encoded, empty)


def _prompt(rng: random.Random) -> str:
    subjects = [name.strip() for names in world.SUBJECTS.values() for name in names.split(",")]
    what = world.article(world.SPOKEN.get(name := rng.choice(subjects), name))
    return prompt(what, rng.choice(list(world.BACKGROUNDS)), rng.choice(list(world.PACKAGES)))


def distill(student: Backbone, lessons: Lessons, *, steps: int, batch: int = 12, rate: float = 5e-4) -> list[float]:
    """Train the denoiser in place; gives the loss of each step."""
    weights = [p.requires_grad_(True) for p in student.denoiser.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    knots = student.timesteps(1 - torch.arange(STEPS) / STEPS - 0.0005)
    alpha, sigma = (torch.cat([own, end]) for own, end in ((knots.alpha, torch.ones(1)), (knots.sigma, torch.zeros(1))))
    losses = []
    for chosen, generator in lessons.batches(batch, steps, seed=1):
        at = torch.randint(STEPS, (batch,), generator=generator)
        x, following = lessons.places[chosen, at], lessons.places[chosen, at + 1]
        a, s, a_next, s_next = (v[i].reshape(-1, 1, 1, 1) for i in (at, at + 1) for v in (alpha, sigma))
        # The DDIM step that takes x to the next place has this clean picture: x' = a' x0 + s' (x - a x0) / s.
        clean = (following - s_next / s * x) / (a_next - s_next / s * a)
        velocity = a * (x - a * clean) / s - s * clean
        loss = (student.predict(x, knots.t[at], lessons.prompts.pick(chosen)) - velocity).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    for parameter in weights:
        parameter.requires_grad_(False)
    return losses


def undone(
    student: Backbone, teacher: Backbone, lessons: Lessons, *, steps: int, batch: int = 8, rate: float = 2e-3
) -> tuple[Adapter, list[float]]:
    """The training adapter, and the loss of each step."""
    targets, losses = {"denoiser": student.info.target_presets["all_layers"]}, []
    with injected(
        TRAINED.get("lora"), {"denoiser": student.denoiser}, targets, rank=RANK, alpha=RANK, seed=0
    ) as injection:
        optimizer = torch.optim.AdamW(injection.parameters.values(), lr=rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
        for chosen, generator in lessons.batches(batch, steps, seed=2):
            clean, given = lessons.places[chosen, -1], lessons.prompts.pick(chosen)
            bare = torch.rand(batch, generator=generator) < 0.25
            given["states"] = torch.where(bare[:, None, None], lessons.empty["states"], given["states"])
            levels = teacher.timesteps(torch.rand(batch, generator=generator))
            noise = torch.randn(clean.shape, generator=generator)
            x = levels.alpha.reshape(-1, 1, 1, 1) * clean + levels.sigma.reshape(-1, 1, 1, 1) * noise
            with torch.no_grad():
                wanted = teacher.predict(x, levels.t, given)
            loss = (student.predict(x, levels.t, given) - wanted).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        modules = injection.result()
    info = student.info
    return Adapter(name="training adapter", family=info.family, modules=modules, key_style=info.key_style), losses


def save(student: Backbone, adapter: Adapter, folder: Path) -> None:
    """The distilled model as a diffusers folder with its declarations, and the training adapter beside it."""
    shutil.copytree(DEMO_BASE, folder, dirs_exist_ok=True)
    student.denoiser.half().save_pretrained(folder / "unet")  # type: ignore[operator]
    declared = folder / "lora_workbench.json"
    own = json.loads(declared.read_text()) | {"generation": {"steps": STEPS, "guidance": 1.0}}
    declared.write_text(json.dumps(own, indent=2) + "\n")
    save_adapter(adapter, folder / ADAPTER, key_style="kohya", dtype="float16")


def make(folder: Path, *, pictures: int = 192, steps: int = 250, adapter_steps: int = 200) -> tuple[float, float]:
    """Distill the demo base into a folder, with its training adapter; gives the last losses of both."""
    teacher, student = (load_base(DEMO_BASE, device="cpu", precision="fp32") for _ in range(2))
    lessons = drawn(teacher, pictures)
    distilling = distill(student, lessons, steps=steps)
    adapter, undoing = undone(student, teacher, lessons, steps=adapter_steps)
    save(student, adapter, folder)
    return tuple(sum(losses[-20:]) / 20 for losses in (distilling, undoing))  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the distilled model and its adapter")
    parser.add_argument("--pictures", type=int, default=192, help="pictures that the teacher draws")
    parser.add_argument("--steps", type=int, default=250, help="steps of the distillation")
    parser.add_argument("--adapter-steps", type=int, default=200, help="steps of the training adapter")
    args = parser.parse_args()
    print(make(args.out, pictures=args.pictures, steps=args.steps, adapter_steps=args.adapter_steps))


if __name__ == "__main__":
    main()
