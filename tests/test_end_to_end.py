"""The workflows that come with the project, run from a shell on the demo base, with few steps."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.adapters.files import load_adapter
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

FEW_CLASS_PICTURES = (
    "generate class pictures.prompts=an emoji of an animal on a white background\na noto style emoji of a red apple",
    "generate class pictures.seeds_per_prompt=1",
    "generate class pictures.steps=2",
)
MEASURED = "steps=4\nwarmup_steps=0\nbatch_size=2\nmeasures=true\nsnapshot_every=2\nheld_out=0.05"
FEW_STEPS = (
    *FEW_CLASS_PICTURES,
    f"fox: recipe.settings={MEASURED}",
    f"riso: recipe.settings={MEASURED}",
    "comparison.steps=2",
)
PROMPTS = ("an emoji of a zwx animal on a green background", "a qvk style emoji of a zwx animal on a teal background")


class Ended(NamedTuple):
    """What one call of the command line gave."""

    status: int
    result: dict[str, Any]
    errors: str


class Shell:
    """Runs workflows with one output folder."""

    def __init__(self, root: Path, output: Path) -> None:
        self.root, self.output = root, output

    def run(self, workflow: str, *assignments: str) -> Ended:
        """In a process of its own."""
        command = [sys.executable, "-m", "lora_workbench.cli.main", *self._arguments(workflow, assignments)]
        ended = subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=300, check=False)
        return Ended(ended.returncode, json.loads(ended.stdout.splitlines()[-1]), ended.stderr)

    def run_here(self, workflow: str, *assignments: str) -> Ended:
        """In this process, which has loaded all libraries already."""
        told, errors = StringIO(), StringIO()
        with redirect_stdout(told), redirect_stderr(errors), pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            status = cli.main(self._arguments(workflow, assignments))
        return Ended(status, json.loads(told.getvalue().splitlines()[-1]), errors.getvalue())

    def _arguments(self, workflow: str, assignments: Sequence[str]) -> list[str]:
        assigned = [part for assignment in assignments for part in ("--set", assignment)]
        return ["run", f"workflows/{workflow}.json", "--json", "--output", str(self.output), *assigned]


@pytest.fixture(scope="module")
def shell(root: Path, demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    assert demo_base.is_dir()
    return Shell(root, tmp_path_factory.mktemp("end_to_end"))


@pytest.fixture(scope="module")
def quickstart(shell: Shell) -> Ended:
    """The quickstart, run for the first time."""
    ended = shell.run("quickstart", *FEW_STEPS)
    assert ended.status == 0, ended.errors
    return ended


def names(paths: list[str]) -> list[str]:
    return [Path(path).name for path in paths]


def trainings(ended: Ended) -> dict[str, dict[str, Any]]:
    return {report["name"]: report for report in ended.result["reports"].values() if "resumed_at" in report}


def test_quickstart_gives_adapters_loss_plots_and_grid(quickstart: Ended) -> None:
    result = quickstart.result
    assert result["status"] == "ok"
    assert names(result["adapters"]) == ["fox.safetensors", "riso.safetensors"]
    assert [load_adapter(path).trigger for path in result["adapters"]] == ["zwx animal", "qvk style"]
    plots = ["loss_fox_00001.png", "verdict_fox_00001.png", "loss_riso_00001.png", "verdict_riso_00001.png"]
    assert sorted(names(result["images"])) == sorted([*plots, "grid_00001.png"])
    for path in result["images"]:
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 10
    for report in trainings(quickstart).values():
        assert (report["steps"], report["cached"], report["resumed_at"]) == (4, False, 0)
        assert report["last_loss"] > 0
    assert "Traceback" not in quickstart.errors and "Warning" not in quickstart.errors


def test_quickstart_picks_snapshots_and_compares_them(quickstart: Ended) -> None:
    result = quickstart.result
    picks = [report["step"] for report in result["reports"].values() if {"step", "verdict"} <= report.keys()]
    assert len(picks) == 2 and all(step in (2, 4) for step in picks)
    shown = result["reports"]["20"]["columns"][1:3]
    weights = [float(name.split()[1]) for name in shown]
    assert [name.split()[0] for name in shown] == ["fox", "riso"]
    assert weights[0] == weights[1] and 1 <= weights[0] < 1.2  # 1 and 1, scaled to amount to 1.6
    assert result["reports"]["20"]["columns"] == ["base", *shown, " + ".join(shown)]


def test_unchanged_quickstart_has_nothing_to_do(quickstart: Ended, shell: Shell) -> None:
    again = shell.run("quickstart", *FEW_STEPS)
    assert again.status == 0
    assert (again.result["images"], again.result["adapters"]) == (
        quickstart.result["images"], quickstart.result["adapters"],
    )  # fmt: skip
    assert {name: report["cached"] for name, report in trainings(again).items()} == {"fox": True, "riso": True}
    assert again.result["cached_nodes"] == 26
    assert again.result["seconds"] < quickstart.result["seconds"] / 5


def test_other_prompts_do_not_train_again(quickstart: Ended, shell: Shell) -> None:
    before = {path: Path(path).read_bytes() for path in quickstart.result["adapters"] + quickstart.result["images"]}
    other = shell.run_here("quickstart", *FEW_STEPS, f"comparison.prompts={PROMPTS[0]}")
    assert other.status == 0
    assert {name: report["cached"] for name, report in trainings(other).items()} == {"fox": True, "riso": True}
    new = {name for name in names(other.result["images"]) if not name.endswith("_00001.png")}
    assert new == {"grid_00002.png"}
    assert other.errors and not re.search(r"training \d", other.errors)
    assert {path: Path(path).read_bytes() for path in before} == before


def test_workflow_for_one_adapter_finds_the_same_training(quickstart: Ended, shell: Shell) -> None:
    one = shell.run_here(
        "train-one-adapter", *FEW_CLASS_PICTURES, f"fox: recipe.settings={MEASURED}", "before and after.steps=2"
    )
    assert one.status == 0, one.errors
    assert trainings(one)["fox"]["cached"] is True
    assert one.result["adapters"] == quickstart.result["adapters"][:1]


def test_saved_adapters_draw(quickstart: Ended, shell: Shell) -> None:
    drawn = shell.run_here("generate-with-stack", "generate.seeds_per_prompt=1", "generate.steps=2")
    assert drawn.status == 0, drawn.errors
    assert names(drawn.result["images"]) == [f"picture_{number:05d}.png" for number in (1, 2, 3)]


def test_saved_adapters_become_one_file_and_one_base_model(quickstart: Ended, shell: Shell) -> None:
    made = shell.run_here("merge-and-export", "what the stack draws.steps=2", "what the one file draws.steps=2")
    assert made.status == 0, made.errors
    [merged] = [report for report in made.result["reports"].values() if "errors_by_block" in report]
    assert 0 < merged["error"] < 0.5 and merged["triggers"][0] == "zwx animal, qvk style"
    assert names(made.result["adapters"]) == ["fox-in-riso.safetensors"]
    [saved] = [report for report in made.result["reports"].values() if "paths" in report]
    assert saved["paths"] == ["diffusers/demo-with-fox-in-riso"]


def test_adapters_that_are_not_there_are_named(quickstart: Ended, root: Path, tmp_path: Path) -> None:
    shell = Shell(root, tmp_path)
    none = shell.run_here("generate-with-stack")
    assert none.status == 2
    assert "No adapter at 'fox.safetensors'" in none.result["error"]
    assert "No adapter at 'riso.safetensors'" in none.result["error"]
    assert "train and save it first with the same output folder" in none.result["error"]
    (tmp_path / "loras").mkdir()
    shutil.copy(quickstart.result["adapters"][0], tmp_path / "loras")
    one = shell.run_here("generate-with-stack")
    assert one.status == 2
    assert "fox.safetensors" not in one.result["error"] and "'riso.safetensors'" in one.result["error"]


def test_diffusers_draws_the_same_pictures_with_the_saved_adapters(quickstart: Ended, demo_base: Path) -> None:
    adapters = [Path(path) for path in quickstart.result["adapters"]]
    weights = [{adapters[0]: 1.0}, {adapters[1]: 1.0}, dict(zip(adapters, (0.8, 0.6), strict=True))]
    plain, *ours = drawn_by_us(demo_base, [{}, *weights])
    for own, theirs in zip(ours, drawn_by_diffusers(demo_base, adapters, weights), strict=True):
        assert (own - theirs).abs().max() < 1e-3
        assert (own - plain).abs().max() > 0.05


STEPS, GUIDANCE = 2, 3.0


def drawn_by_us(base: Path, stacks: Sequence[dict[Path, float]]) -> list[Tensor]:
    """Of each stack one picture of each prompt, (B, 3, H, W) in [0, 1]."""
    import torch
    from lora_workbench.engine.adapters.applying import applied
    from lora_workbench.engine.adapters.stack import Stack, StackEntry
    from lora_workbench.engine.generation.batch import starting_noise
    from lora_workbench.engine.models.registry import load_base

    backbone = load_base(base, device="cpu", precision="fp32")
    noise = starting_noise(backbone, (backbone.info.resolution,) * 2, range(len(PROMPTS)))
    drawn = []
    for weights in stacks:
        entries = [StackEntry(load_adapter(path), weight=w, text_encoder_weight=w) for path, w in weights.items()]
        with torch.no_grad(), applied(backbone, Stack(tuple(entries))):
            prompts, negative = backbone.encode_prompts(PROMPTS), backbone.encode_prompts([""] * len(PROMPTS))
            *_, latents = backbone.sample(noise, prompts, negative, steps=STEPS, guidance=GUIDANCE)
            drawn.append(backbone.decode(latents))
    return drawn


def drawn_by_diffusers(base: Path, adapters: Sequence[Path], stacks: Sequence[dict[Path, float]]) -> list[Tensor]:
    """The same by diffusers' own pipeline and loader."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline: Any = StableDiffusionPipeline.from_pretrained(base, local_files_only=True).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    for path in adapters:
        pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name=path.stem)
    drawn = []
    for weights in stacks:
        pipeline.set_adapters([path.stem for path in weights], list(weights.values()))
        pictures = pipeline(
            prompt=list(PROMPTS),
            generator=[torch.Generator().manual_seed(seed) for seed in range(len(PROMPTS))],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            output_type="pt",
        )
        drawn.append(pictures.images)
    return drawn
