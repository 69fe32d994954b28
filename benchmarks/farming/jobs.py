"""The jobs of a farm: lines of jobs.txt, as in docs/farms, with what they read."""

from __future__ import annotations

import json
import random
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

Kind = Literal["train", "generate"]

STEPS, SAVE_EVERY = 3, 1
"""Of each training."""
PICTURES, AT_ONCE = 3, 1
"""Of each batch, and in each of its chunks."""
DRAWING_STEPS = 1


@dataclass(frozen=True)
class Job:
    """One line of jobs.txt."""

    name: str
    kind: Kind
    words: tuple[str, ...]
    """Arguments of lora-workbench, without the output folder."""


def make_jobs(folder: Path, base: Path, count: int) -> list[Job]:
    """Write what jobs read into a folder; two of three are trainings, the others batches.

    Args:
        folder: of the farm.
        base: a base model.
        count: of jobs.
    """
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for number, color in enumerate(("red", "green", "blue", "gray", "white", "black")):
        Image.new("RGB", (64, 64), color).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"a {color} zwx", encoding="utf-8")
    common = f'[base]\npath = {json.dumps(str(base))}\ndevice = "cpu"\nprecision = "fp32"\n'
    (folder / "run.toml").write_text(
        f"{common}[dataset]\npath = {json.dumps(str(pictures))}\n[recipe]\nsteps = {STEPS}\nsave_every = {SAVE_EVERY}\n"
        "rank = 2\nbatch_size = 1\nlearning_rate = 1e-3\n",
        encoding="utf-8",
    )
    (folder / "batch.toml").write_text(
        f'{common}[pictures]\nprompts = ["a red zwx"]\nseeds_per_prompt = {PICTURES}\nsteps = {DRAWING_STEPS}\n'
        f"guidance = 1.0\nbatch_size = {AT_ONCE}\n",
        encoding="utf-8",
    )
    jobs = [_job(folder, number) for number in range(count)]
    (folder / "jobs.txt").write_text("".join(f"{shlex.join(job.words)}\n" for job in jobs), encoding="utf-8")
    return jobs


def _job(folder: Path, number: int) -> Job:
    if number % 3 == 2:
        name = f"batch-{number:04d}"
        sets = ("--set", f"name={name}", "--set", f"pictures.seed={10 * number}")
        return Job(name, "generate", ("generate", str(folder / "batch.toml"), *sets))
    name = f"fox-{number:04d}"
    return Job(name, "train", ("train", str(folder / "run.toml"), "--set", f"name={name}", "--set", f"seed={number}"))


def in_random_order(jobs: list[Job], twice: float, rng: random.Random) -> list[int]:
    """Numbers of jobs as a scheduler hands them out; of a share of them, two at once, as after a lost answer."""
    order = [*range(len(jobs))]
    rng.shuffle(order)
    return [number for first in order for number in ([first, first] if rng.random() < twice else [first])]
