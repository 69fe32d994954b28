"""Training by diffusers' own `train_dreambooth_lora.py`, as a reference.

It runs in a process of its own, with a Python that has what the script needs: accelerate, torchvision, and the
project's packages. It has one prompt for all pictures.
"""

from __future__ import annotations

import json
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lora_workbench.engine.data.dataset import Dataset

LORA = "pytorch_lora_weights.safetensors"


def train(
    script: Path, base: Path, dataset: Dataset, prompt: str, options: Mapping[str, Any], out: Path
) -> dict[str, float]:
    """Train a LoRA, which is then in the file :data:`LORA` in ``out``.

    Args:
        script: of diffusers.
        base: folder of the base model.
        dataset: its pictures; the script doesn't read captions.
        prompt: of all pictures.
        options: further ones of the script, without the dashes; ``True`` for switches.
        out: folder for its results.

    Returns:
        The median ``seconds`` of a step.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, record in enumerate(dataset):
            record.load().convert("RGB").save(Path(folder) / f"{number:03}.png")
        given = {
            "pretrained_model_name_or_path": base, "instance_data_dir": folder, "instance_prompt": prompt,
            "output_dir": out, "resolution": 64, "lr_scheduler": "constant", "lr_warmup_steps": 0,
            "checkpointing_steps": 10**6, **options,
        }  # fmt: skip
        arguments = [f"--{name}" if value is True else f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, __file__, str(script), *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _watched(script: str, arguments: list[str]) -> dict[str, float]:
    """Run the script in this process, and look at its bar of steps."""
    import tqdm.auto

    times: list[float] = []

    class Bar(tqdm.auto.tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            if self.desc.startswith("Steps"):
                times.append(time.perf_counter())
            return super().update(n)

    tqdm.auto.tqdm = Bar
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    return {"seconds": statistics.median(after - before for before, after in pairwise(times))}


if __name__ == "__main__":
    print(json.dumps(_watched(sys.argv[1], sys.argv[2:])))
