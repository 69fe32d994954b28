"""Training on a folder of diffusers: `lora_workbench` beside diffusers' own `train_dreambooth_lora.py`.

    python benchmarks/diffusers_trainer.py --script DIFFUSERS/examples/dreambooth/train_dreambooth_lora.py

A folder of SD1.5's size with random weights, 512 px, batch 1, rank 16, bf16, on the CPU, in processes of their own, one
after the other. Both adapt the same attention layers; the rest are defaults, but for `--checkpointing`, with which both
compute activations again. It reports the median seconds of a step but for the first, and the peak memory of the process
twice: in all, with loading and encoding, and from the first step on.

The Python that runs it needs what the script needs: accelerate, torchvision, and the project's packages.

On two cores (AVX512-bf16), torch 2.9.1, three runs: diffusers 7.4 to 7.7 s and 5.0 GB in steps, ours 3.4 to 4.1 s and
4.0 GB; with checkpointing 9.2 s and 4.6 GB against 4.5 s and 3.5 GB. 1.7 GB of each are the weights in bf16, and 0.6
the Python with its libraries. Both reach 6.0 GB while the weights are read in float32, 3.4 of it the mapped file, which
the system can drop.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "assets" / "sd1_config"
SIDE = 512
CAPTION = "a zwx thing"


def save_base(folder: Path) -> None:
    """A pipeline of SD1.5's size with random weights."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    parts = {
        "unet": UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(CONFIG / "unet")),
        "vae": AutoencoderKL.from_config(AutoencoderKL.load_config(CONFIG / "vae")),
        "text_encoder": CLIPTextModel(CLIPTextConfig.from_pretrained(CONFIG / "text_encoder")),
        "tokenizer": CLIPTokenizer.from_pretrained(CONFIG / "tokenizer"),
        "scheduler": PNDMScheduler.from_pretrained(CONFIG / "scheduler"),
    }
    nothing = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    StableDiffusionPipeline(**parts, **nothing).save_pretrained(folder / "base")


def save_picture(folder: Path) -> None:
    from PIL import Image

    (folder / "pictures").mkdir()
    picture = Image.effect_mandelbrot((SIDE, SIDE), (-2, -1.5, 1, 1.5), 60).convert("RGB")
    picture.save(folder / "pictures" / "one.png")
    (folder / "pictures" / "one.txt").write_text(CAPTION)


class Watch:
    """The times at which steps end, and the peak memory until then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.before = self.peak = 0.0

    def begin(self) -> None:
        """Before the first step."""
        self.before = peak()
        Path("/proc/self/clear_refs").write_text("5")

    def step(self) -> None:
        """After each step."""
        self.times.append(time.perf_counter())
        self.peak = peak()

    def result(self) -> dict[str, float]:
        seconds = [after - before for before, after in pairwise(self.times)]
        return {
            "seconds": statistics.median(seconds), "peak_of_steps": self.peak,
            "peak_of_all": max(self.before, self.peak),
        }  # fmt: skip


def train_by_diffusers(folder: Path, script: Path, steps: int, checkpointing: bool) -> dict[str, float]:
    import tqdm.auto

    watch = Watch()

    class Bar(tqdm.auto.tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.of_steps = kwargs.get("desc") == "Steps"
            if self.of_steps:
                watch.begin()

        def update(self, n: float | None = 1) -> bool | None:
            if self.of_steps:
                watch.step()
            return super().update(n)

    tqdm.auto.tqdm = Bar
    sys.argv = [
        str(script), f"--pretrained_model_name_or_path={folder / 'base'}", f"--instance_data_dir={folder / 'pictures'}",
        f"--instance_prompt={CAPTION}", f"--output_dir={folder / 'theirs'}", f"--resolution={SIDE}",
        "--train_batch_size=1", "--rank=16", "--mixed_precision=bf16", "--lr_scheduler=constant",
        f"--max_train_steps={steps}", "--learning_rate=1e-4", "--seed=0",
    ]  # fmt: skip
    sys.argv += ["--gradient_checkpointing"] * checkpointing
    (folder / "pictures" / "one.txt").unlink()  # the script opens every file of the folder as a picture
    try:
        runpy.run_path(str(script), run_name="__main__")
    finally:
        (folder / "pictures" / "one.txt").write_text(CAPTION)
    return watch.result()


def train_by_us(folder: Path, steps: int, checkpointing: bool) -> dict[str, float]:
    load_extension()
    from lora_workbench.engine.core.events import StepDone
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.loop import Trainer
    from lora_workbench.engine.training.recipe import Recipe

    watch = Watch()
    run = Trainer.run

    def watched(self: Trainer, *args: Any) -> Any:
        watch.begin()
        yield from run(self, *args)

    Trainer.run = watched  # type: ignore[method-assign]
    base = load_base(folder / "base", device="cpu", precision="bf16")
    recipe = Recipe.of(
        steps=steps, rank=16, alpha=16, batch_size=1, targets="attention", resolution=SIDE,
        checkpointing="all" if checkpointing else "none",
    )  # fmt: skip
    dataset = load_dataset(folder / "pictures")
    for event in train_adapter(base, dataset, recipe, seed=0, store=RunStore(folder / "ours"), name="x"):
        if isinstance(event, StepDone):
            watch.step()
    return watch.result()


def load_extension() -> None:
    """Import the project by its path: the Python that runs this needn't have it installed."""
    name = "lora_workbench"
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def peak() -> float:
    """The largest memory of this process since it was last forgotten, in gigabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e9


def in_its_own_process(way: str, folder: Path, args: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--steps", str(args.steps)]
    command += ["--script", str(args.script.absolute())] + ["--checkpointing"] * args.checkpointing
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the base model is, or is made; by default temporary")
    parser.add_argument("--way", choices=("diffusers", "ours", "save"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way == "save":
        save_base(args.folder)
        save_picture(args.folder)
    elif args.way == "diffusers":
        print(json.dumps(train_by_diffusers(args.folder, args.script, args.steps, args.checkpointing)))
    elif args.way == "ours":
        print(json.dumps(train_by_us(args.folder, args.steps, args.checkpointing)))
    if args.way:
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if not (folder / "base").exists():
            command = [sys.executable, __file__, "--way", "save", "--folder", str(folder), "--script", str(args.script)]
            subprocess.run(command, check=True)
        theirs, ours = (in_its_own_process(way, folder, args) for way in ("diffusers", "ours"))
    for name, found in (("diffusers", theirs), ("ours", ours)):
        print(
            f"{name:<10} {found['seconds']:6.2f} s per step, {found['peak_of_steps']:5.2f} GB at most in steps, "
            f"{found['peak_of_all']:5.2f} GB in all"
        )
    print(
        f"{theirs['seconds'] / ours['seconds']:.2f} times the steps per second, with "
        f"{ours['peak_of_steps'] / theirs['peak_of_steps']:.2f} of the memory in steps and "
        f"{ours['peak_of_all'] / theirs['peak_of_all']:.2f} in all"
    )


if __name__ == "__main__":
    main()
