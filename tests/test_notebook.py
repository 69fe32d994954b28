"""The notebook: as it lies here, filled in and run on the CPU, stopped and run again."""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from filled_notebooks import Notebook, executed, fields, filled, outputs, pictures_of, read, text_of
from hub_standin import hub
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.training.state import TrainingState
from lora_workbench.headless.preparing import prepare
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.validation import validate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COLAB = re.compile(r"https://colab\.research\.google\.com/github/([^/\s]+/[^/\s]+)/blob/([^/\s]+)/([^\s)\"]+)")
SHORT: dict[str, Any] = {
    "steps": 12, "snapshot_every": 4, "settings": "rank = 4", "try_a_step": False, "seeds_per_prompt": 1,
    "drawing_steps": 4,
}  # fmt: skip
PARTS = {part: ["diffusers", "Its class"] for part in ("unet", "vae", "tokenizer", "safety_checker")}
MODEL_FILES = {
    "model_index.json": json.dumps(PARTS).encode(),
    "model.safetensors": b"all in one",
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": b"32 bits",
    "unet/diffusion_pytorch_model.fp16.safetensors": b"16 bits",
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"others",
    "unet/diffusion_pytorch_model.bin": b"pickle",
    "vae/config.json": b"{}",
    "vae/model-00001-of-00002.safetensors": b"first half",
    "vae/model-00002-of-00002.safetensors": b"second half",
    "tokenizer/vocab.json": b"{}",
    "tokenizer/merges.txt": b"a b",
    "safety_checker/model.safetensors": b"unused",
    "vae_1_0/config.json": b"unused",
}
"""Of a repository on the hub, as those of SD 1.5 and SDXL are."""
SENT = [
    "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
    "vae/model-00001-of-00002.safetensors", "vae/model-00002-of-00002.safetensors", "tokenizer/vocab.json",
    "tokenizer/merges.txt",
]  # fmt: skip
USED_FILES = {name.replace(".fp16", ""): MODEL_FILES[name] for name in SENT}
GRAPHS = ("fox-inspect", "fox-train", "fox-compare")


@pytest.fixture(scope="module")
def notebook(root: Path) -> Notebook:
    return read(root / "notebooks" / "train_on_colab.ipynb")


@pytest.fixture(scope="module")
def result(notebook: Notebook, tmp_path_factory: pytest.TempPathFactory) -> tuple[Notebook, Path]:
    """It was run in float16, as on a T4: (with its outputs, its working directory)."""
    folder = tmp_path_factory.mktemp("notebook")
    return executed(filled(notebook, **SHORT | {"precision": "fp16", "try_a_step": True}), folder), folder


def test_it_lies_here_without_outputs(notebook: Notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count is not None]
    assert not [cell.id for cell in notebook.cells if set(cell.metadata) - {"cellView"}]


def test_every_code_cell_is_a_form_with_a_number(notebook: Notebook):
    titles = [cell.source.splitlines()[0] for cell in notebook.cells if cell.cell_type == "code"]
    assert [title.partition(" · ")[0] for title in titles] == [f"# @title {n}" for n in range(1, len(titles) + 1)]


def test_defaults_are_among_their_choices(notebook: Notebook):
    found = fields(notebook)
    assert len(found) > 15
    for name, (default, known) in found.items():
        if isinstance(known, list):
            assert default in known, name
        else:
            kind = {"string": str, "integer": int, "boolean": bool, "number": float, "slider": float}[known["type"]]
            assert isinstance(default, kind), name


def test_colab_opens_what_is_in_the_clone(root: Path):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    repository = settings["project"]["urls"]["Repository"].removeprefix("https://github.com/")
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    found = [link for page in pages for link in COLAB.findall(page.read_text(encoding="utf-8"))]
    assert found
    for project, branch, path in found:
        assert (project, branch) == (repository, "main") and (root / path).is_file()


def test_its_graphs_are_whole(notebook: Notebook, tmp_path: Path):
    """Its cells write them before they run them. Here they can't be run, and so take no time."""
    fetched: list[str] = []
    made = filled(notebook, **SHORT, base="somebody/model")
    adapter = tmp_path / "fox.safetensors"
    adapter.touch()
    made.cells.insert(3, nbformat.v4.new_code_cell(f"workbench = None\nADAPTER = Path({str(adapter)!r})"))
    with hub("somebody/model", MODEL_FILES, fetched) as address:
        executed(made, tmp_path, allow_errors=True, HF_ENDPOINT=address, HF_HUB_DISABLE_XET="1")
    nodes = registry()
    for name in GRAPHS:
        workflow = prepare(read_workflow(tmp_path / "lora-workbench" / f"{name}.json", nodes), nodes)
        assert len(validate(workflow, nodes)) == len(workflow.nodes) and not workflow.notes, name
    base = Path(json.loads((tmp_path / "lora-workbench" / "fox-train.json").read_text())["base"]["inputs"]["base"])
    there = {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}
    assert {name: content for name, content in there.items() if not name.startswith(".")} == USED_FILES
    assert sorted(set(fetched)) == sorted(SENT)


@pytest.mark.proofs
def test_it_trains_shows_and_gives_the_file(result: tuple[Notebook, Path]):
    made, folder = result
    adapter = load_adapter(folder / "lora-workbench" / "loras" / "fox.safetensors")
    assert adapter.trigger == "zwx animal" and all(update.changes_anything() for update in adapter.modules.values())
    assert "Verdict: " in text_of(made, "inspect") and pictures_of(made, "inspect") == 1
    assert "a trial step took" in text_of(made, "recipe")
    assert "12/12" in text_of(made, "train") and "fox.safetensors" in text_of(made, "train")
    assert "Best: step" in text_of(made, "look") and pictures_of(made, "look") == 2
    assert pictures_of(made, "compare") == 1
    assert "fox.safetensors" in str(outputs(made, "download"))


@pytest.mark.proofs
def test_its_report_is_in_a_frame(result: tuple[Notebook, Path]):
    (frame,) = [o["data"]["text/html"] for o in outputs(result[0], "look") if "text/html" in o.get("data", {})]
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])  # type: ignore[index]
    assert page.startswith("<!DOCTYPE html>") and "zwx animal" in page


@pytest.mark.proofs
def test_in_float16_the_loss_was_scaled(result: tuple[Notebook, Path]):
    made, folder = result
    assert "in float16" in text_of(made, "train")
    (state,) = (folder / "lora-workbench" / "run-store").rglob("*.state.safetensors")
    assert TrainingState.load(state).scaler["scale"] > 1


@pytest.mark.proofs
def test_its_graphs_run_in_a_shell(result: tuple[Notebook, Path], capsys: pytest.CaptureFixture[str]):
    from lora_workbench.cli.main import main

    work = result[1] / "lora-workbench"
    assert main(["run", str(work / "fox-train.json"), "--output", str(work), "--json"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert again["reports"]["training"]["cached"]


WATCH = """
import os, threading, time

def stop_once_a_state_is_saved():
    while not list(WORK.rglob("*.state.safetensors")):
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=stop_once_a_state_is_saved, daemon=True).start()
"""


@pytest.mark.proofs
def test_stopped_it_goes_on_when_its_cell_is_run_again(notebook: Notebook, tmp_path: Path):
    made = filled(notebook, **SHORT | {"steps": 40})
    needed = {cell.id: cell for cell in made.cells if cell.id in ("install", "pictures", "base", "recipe", "train")}
    stopped, again = needed.pop("train"), nbformat.from_dict(needed["recipe"] | {"id": "again"})
    again.source = f"{stopped.source}\nprint(trained['reports']['training']['resumed_at'])"
    stopped.metadata["tags"] = ["raises-exception"]
    before = nbformat.v4.new_code_cell("import subprocess\n\ngoal = 'subject'")
    made.cells = [before, *needed.values(), nbformat.v4.new_code_cell(WATCH), stopped, again]
    executed(made, tmp_path)
    assert "Interrupted. Finished work is kept" in str(outputs(made, "train")[-1])
    resumed = int(text_of(made, "again").split()[-1])
    assert 4 <= resumed < 40
