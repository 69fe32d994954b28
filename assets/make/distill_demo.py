"""Make a distilled variant of the demo base: four steps, with the guidance baked in, as Turbo models have it.

The student begins as the teacher and learns, at four noise levels, the prediction whose single step lands where four
guided steps of the teacher lead (progressive distillation, Salimans & Ho 2022, arXiv:2202.00512), and at all others the
guided prediction itself (Meng et al. 2023, arXiv:2210.03142).

    python assets/make/distill_demo.py assets/demo_base output/demo_turbo
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import world
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.registry import load_base
from measuring import prompt

if TYPE_CHECKING:
    from torch import Tensor

STEPS, SUBSTEPS = 4, 4
GUIDANCE = 3.0
THINGS = (
    "a red apple",
    "a house",
    "a penguin",
    "a sunflower",
    "a cat face",
    "a rocket",
    "a car",
    "a dog face",
    "a fox",
)
"""What it is distilled on, with every background."""


def prompts() -> list[str]:
    """The prompts that the student learns from."""
    return [prompt(thing, background) for thing in THINGS for background in world.BACKGROUNDS]


def distill(source: Path, folder: Path, *, pictures: int, steps: int, seed: int = 0) -> Path:
    """Save the distilled variant as a diffusers folder.

    Args:
        source: the demo base.
        folder: the result's.
        pictures: how many the teacher draws.
        steps: of training, with 32 samples each.
        seed: of all that is random.
    """
    import torch

    shutil.copytree(source, folder, dirs_exist_ok=True)
    _configure(folder)
    torch.manual_seed(seed)
    teacher, student = (load_base(folder, device="cpu", precision="fp32") for _ in range(2))
    paths = _paths(teacher, pictures)
    _train(student, teacher, paths, steps)
    student.denoiser.save_pretrained(folder / "unet")  # type: ignore[operator]
    return folder


def _configure(folder: Path) -> None:
    """Four steps, the first at pure noise, without guidance."""
    file = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(file.read_text()) | {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}
    file.write_text(json.dumps(config, indent=2) + "\n")
    file = folder / "lora_workbench.json"
    own = json.loads(file.read_text()) | {"generation": {"steps": STEPS, "guidance": 1.0}}
    file.write_text(json.dumps(own, indent=2) + "\n")


class _Paths:
    """The teacher's way from noise to pictures, by way of ``STEPS`` points."""

    def __init__(self, points: Tensor, states: Conditioning) -> None:
        self.points, self.states = points, states
        """(STEPS + 1, pictures, C, h, w), and the conditioning of each picture."""


def _paths(teacher: Backbone, count: int, batch: int = 60) -> _Paths:
    import torch

    told = [prompts()[number % len(prompts())] for number in range(count)]
    side = teacher.info.resolution // teacher.info.latent_factor
    points, states = [], []
    for at in range(0, count, batch):
        with torch.no_grad():
            own, empty = (
                teacher.encode_prompts(texts) for texts in (told[at : at + batch], [""] * len(told[at : at + batch]))
            )
        noise = torch.randn(len(told[at : at + batch]), teacher.info.latent_channels, side, side)
        ways = list(teacher.sample(noise, own, empty, steps=STEPS * SUBSTEPS, guidance=GUIDANCE))
        points.append(torch.stack([noise, *ways[SUBSTEPS - 1 :: SUBSTEPS]]))
        states.append(own)
    return _Paths(torch.cat(points, dim=1), Conditioning.join(states))


def _train(student: Backbone, teacher: Backbone, paths: _Paths, steps: int, batch: int = 32) -> None:
    import torch

    unet = student.denoiser.requires_grad_(True)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-4, weight_decay=0)
    count = paths.points.shape[1]
    with torch.no_grad():
        empty = teacher.encode_prompts([""])
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-4 * (1 - step / steps)
        picked = torch.randint(count, (batch,))
        x, t, wanted = (_few_steps if step % 2 else _any_step)(teacher, paths, picked, empty)
        loss = (student.predict(x, t, paths.states.pick(picked)) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    unet.requires_grad_(False)


def _few_steps(teacher: Backbone, paths: _Paths, picked: Tensor, empty: Conditioning) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, timesteps, and the noise whose single step of DDIM (arXiv:2010.02502, eq. 12) leads on."""
    import torch

    del empty
    at = torch.randint(STEPS, (len(picked),))
    here, there = paths.points[at, picked], paths.points[at + 1, picked]
    levels = teacher.timesteps((STEPS - at).float() / STEPS - 1e-4)
    after = teacher.timesteps(((STEPS - at - 1).float() / STEPS - 1e-4).clamp(min=0))
    last = (at == STEPS - 1).float()
    alpha, sigma = levels.alpha, levels.sigma
    alpha_after, sigma_after = (1 - last) * after.alpha + last, (1 - last) * after.sigma
    shape = (-1, 1, 1, 1)
    ratio = (alpha_after / alpha).reshape(shape)
    wanted = (there - ratio * here) / (sigma_after - alpha_after / alpha * sigma).reshape(shape)
    return here, levels.t, wanted


def _any_step(teacher: Backbone, paths: _Paths, picked: Tensor, empty: Conditioning) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, timesteps, and the teacher's guided prediction."""
    import torch

    levels = teacher.timesteps(torch.rand(len(picked)))
    clean = paths.points[-1, picked]
    shape = (-1, 1, 1, 1)
    x = levels.alpha.reshape(shape) * clean + levels.sigma.reshape(shape) * torch.randn_like(clean)
    with torch.no_grad():
        towards = teacher.predict(x, levels.t, paths.states.pick(picked))
        without = teacher.predict(x, levels.t, empty.pick(torch.zeros(len(picked), dtype=torch.long)))
    return x, levels.t, without + GUIDANCE * (towards - without)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=480)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    distill(arguments.source, arguments.folder, pictures=arguments.pictures, steps=arguments.steps)
