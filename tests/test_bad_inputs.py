"""What a user meets when something is wrong: one clear error, the right exit status, and nothing lost.

Every case runs as a workflow through the command line, in a folder where a training has succeeded before.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from PIL import Image
from workspace import (
    Graph,
    Told,
    Workspace,
    changed,
    drawing,
    in_another_process,
    in_api_format,
    plain_pictures,
    training,
)

FAILED, REFUSED = 1, 2
"""Exit status of a graph that fails while it runs, and of one that isn't started."""


@pytest.fixture
def attempt(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Runs a workflow, and checks that the files of earlier runs stay as they were."""

    def run(graph: Graph, *more: str) -> Told:
        before = workspace.files()
        capfd.readouterr()
        status = workspace.run(graph, *more)
        out, errors = capfd.readouterr()
        after = workspace.files()
        assert {path: after.get(path) for path in before} == before
        assert not [path for path in after if path.name.endswith(".partial")]
        return Told(status, json.loads(out.splitlines()[-1]), errors)

    return run


def assert_refused(told: Told, status: int, *words: str) -> None:
    """One error, told last and once, that names what came and says what to do."""
    assert told.status == status, told.errors
    assert told.result["status"] == "error"
    problem = told.result["error"]
    assert told.errors.endswith(problem + "\n")
    assert told.errors.count(problem) == 1
    assert "Traceback" not in told.errors and "Warning" not in told.errors
    assert "What to do: " in problem
    for word in words:
        assert word in problem


def nothing(path: Path) -> Path:
    path.mkdir()
    return path


def only_texts(path: Path) -> Path:
    path.mkdir()
    for name in ("a.txt", "b.txt"):
        (path / name).write_text("a fox", encoding="utf-8")
    return path


def cut_jpeg(path: Path) -> Path:
    plain_pictures(path)
    Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).save(path / "cut.jpg")
    whole = (path / "cut.jpg").read_bytes()
    (path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    return path


def huge_png(path: Path) -> Path:
    plain_pictures(path)
    Image.new("1", (20_000, 20_000)).save(path / "huge.png")
    return path


def escaping_zip(path: Path) -> Path:
    plain_pictures(path)
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as members:
        members.write(path / "a.png", "a.png")
        members.write(path / "b.png", "../../escaped.png")
    return archive


def latin_1_caption(path: Path) -> Path:
    plain_pictures(path)
    (path / "b.txt").write_bytes("ein zwx Füchslein".encode("latin-1"))
    return path


DATA_SETS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "empty folder": (nothing, ("is empty", "put pictures into it")),
    "folder of text files": (only_texts, ("has 2 files, but no picture", "put pictures into it")),
    "truncated JPEG": (cut_jpeg, ("1 of 4 pictures", "cut.jpg", "truncated", "repair or remove these files")),
    "20,000 x 20,000 PNG": (huge_png, ("1 of 4 pictures", "huge.png: the picture is too large", "repair or remove")),
    "zip with ../ paths": (
        escaping_zip,
        ("../../escaped.png: its path points outside", "zip the folder of pictures again"),
    ),
    "caption in a wrong encoding": (latin_1_caption, ("b.txt: it isn't UTF-8 text (byte 10)", "as UTF-8")),
}


@pytest.mark.parametrize("case", DATA_SETS)
def test_data_set_that_cannot_be_used(case: str, workspace: Workspace, attempt: Any, tmp_path: Path) -> None:
    make, words = DATA_SETS[case]
    told = attempt(training(make(tmp_path / "set"), workspace.base, on_unreadable="refuse"))
    assert_refused(told, FAILED, "node data (LW_LoadDataset)", *words)
    assert not list(tmp_path.parent.rglob("escaped.png"))


@pytest.mark.parametrize(("make", "name"), [(cut_jpeg, "cut.jpg"), (huge_png, "huge.png")])
def test_unreadable_pictures_are_left_out_and_named(make: Any, name: str, attempt: Any, tmp_path: Path) -> None:
    graph = training(make(tmp_path / "set"), "unused")
    shown = in_api_format({"preview": ("LW_PreviewDataset", {"dataset": ["captions", 0], "columns": 4})})
    told = attempt({name: graph[name] for name in ("data", "captions")} | shown)
    assert told.status == 0
    report = told.result["reports"]["data"]
    assert report["pictures"] == 3
    assert [left_out["name"] for left_out in report["skipped"]] == [name]
    assert f"skipped {name}: " in told.errors


@pytest.mark.parametrize("word", ["", "  \t"])
def test_empty_trigger_word(word: str, workspace: Workspace, attempt: Any) -> None:
    told = attempt(changed(training(workspace.pictures, workspace.base), captions__trigger_word=word))
    assert_refused(told, FAILED, "node captions (LW_TriggerCaptions): The trigger word is empty.", "choose a word")


def test_rank_zero(workspace: Workspace, attempt: Any) -> None:
    told = attempt(changed(training(workspace.pictures, workspace.base), recipe__settings="rank = 0"))
    assert_refused(told, REFUSED, "node recipe (LW_Recipe)", "rank: got 0, expected a number from 1 to 1024", "correct")


@pytest.mark.parametrize("text", ["nan", "NaN", "-Infinity", "1e999", "-1", "0"])
def test_learning_rate_out_of_range(text: str, workspace: Workspace, attempt: Any) -> None:
    graph = training(workspace.pictures, workspace.base)
    told = attempt(graph, "--set", f"recipe.settings=learning_rate = {text}")
    assert_refused(told, REFUSED, "node recipe (LW_Recipe)", "learning_rate: got ", "expected a finite number above 0")


@pytest.mark.parametrize("text", ["fast", "", "1e-4 or so"])
def test_learning_rate_that_is_no_number(text: str, workspace: Workspace, attempt: Any) -> None:
    told = attempt(changed(training(workspace.pictures, workspace.base), recipe__settings=f"learning_rate = {text}"))
    assert_refused(told, REFUSED, "node recipe (LW_Recipe)", f"learning_rate: got {text!r}, expected a number")


def test_all_mistakes_of_the_settings_are_named_at_once(workspace: Workspace, attempt: Any) -> None:
    text = "learning_rte = 1\nsteps 5\nrank = 0; alpha = many; schedule = cosin"
    told = attempt(changed(training(workspace.pictures, workspace.base), recipe__settings=text))
    assert_refused(
        told, REFUSED, "5 invalid settings", "learning_rte: not a setting of the recipe; did you mean learning_rate?",
        "'steps 5' isn't of the form name = value", "rank: got 0", "alpha: got 'many', expected a number", "cosine?",
    )  # fmt: skip


def test_adapter_of_another_family(workspace: Workspace, attempt: Any) -> None:
    import torch
    from safetensors.torch import save_file

    module = "transformer.transformer_blocks.0.attn.to_q"
    factors = {f"{module}.lora_A.weight": torch.ones(2, 8), f"{module}.lora_B.weight": torch.ones(8, 2)}
    save_file(
        factors, workspace.output / "loras" / "foreign.safetensors", {"modelspec.architecture": "flux-1-dev/lora"}
    )
    told = attempt(drawing("foreign.safetensors", workspace.base))
    assert_refused(
        told, FAILED, "node draw (LW_Generate)", "foreign doesn't fit this base model: 0 of its 1 modules match",
        "of the family that it was trained on", "It was made for flux1.",
    )  # fmt: skip


def test_adapter_of_a_larger_model_of_the_same_family(workspace: Workspace, attempt: Any) -> None:
    import torch
    from safetensors.torch import save_file

    module = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    factors = {f"{module}.lora_down.weight": torch.ones(2, 320), f"{module}.lora_up.weight": torch.ones(320, 2)}
    save_file(factors, workspace.output / "loras" / "large.safetensors")
    told = attempt(drawing("large.safetensors", workspace.base))
    assert_refused(told, FAILED, "has shape (32, 32), the adapter was made for (320, 320)", "that it was trained on")


def test_missing_model(workspace: Workspace, attempt: Any, tmp_path: Path) -> None:
    told = attempt(training(workspace.pictures, tmp_path / "gone"))
    assert_refused(told, REFUSED, "node base (LW_LoadBase): No base model at ", "gone", "check the spelling")


def test_folder_that_is_no_model(workspace: Workspace, attempt: Any, tmp_path: Path) -> None:
    told = attempt(training(workspace.pictures, nothing(tmp_path / "nothing")))
    assert_refused(told, FAILED, "node base (LW_LoadBase)", "nothing is not a base model of a known family")


def test_missing_adapter(workspace: Workspace, attempt: Any) -> None:
    told = attempt(drawing("gone.safetensors", workspace.base))
    assert_refused(told, REFUSED, "node adapter (LW_LoadAdapter): No adapter at 'gone.safetensors'", "train")


def unknown_node(graph: Graph) -> Graph:
    return {**graph, "save": {**graph["save"], "class_type": "LW_SaveAdaptor"}}


def cycle(graph: Graph) -> Graph:
    graph["more"] = {**graph["captions"], "inputs": {**graph["captions"]["inputs"], "dataset": ["captions", 0]}}
    return changed(graph, captions__dataset=["more", 0])


def number_for_a_text(graph: Graph) -> Graph:
    return changed(graph, base__device=7)


WORKFLOWS: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "unknown node": (unknown_node, "node save (LW_SaveAdaptor): unknown node; did you mean LW_SaveAdapter?"),
    "cycle": (
        cycle,
        "cycle: node captions (LW_TriggerCaptions) needs node more (LW_TriggerCaptions) needs node captions",
    ),
    "a number where a text belongs": (
        number_for_a_text, "node base (LW_LoadBase), input device: got 7, expected one of auto, cpu, cuda, mps",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WORKFLOWS)
def test_workflow_that_cannot_be_run(case: str, workspace: Workspace, attempt: Any) -> None:
    spoil, words = WORKFLOWS[case]
    told = attempt(spoil(training(workspace.pictures, workspace.base)))
    assert_refused(told, REFUSED, words, "correct what is named above")


def test_all_that_is_wrong_with_a_workflow_is_told_at_once(workspace: Workspace, attempt: Any, tmp_path: Path) -> None:
    graph = changed(training(workspace.pictures, tmp_path / "gone"), recipe__quality="best")
    graph["preview"] = {"class_type": "LW_PreviewDataset", "inputs": {"dataset": ["base", 0]}}
    told = attempt(graph)
    assert_refused(
        told, REFUSED, "3 problems", "No base model at", "got 'best', expected one of", "got LW_BASE from node base"
    )


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[1, 2]", b"[" * 100_000, b"\xff\xfe{}", b'{"1": 2}'])
def test_file_that_is_no_workflow(content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "workflow.json"
    path.write_bytes(content)
    status = cli.main(["run", str(path), "--output", str(tmp_path / "out"), "--json"])
    out, errors = capfd.readouterr()
    assert_refused(
        Told(status, json.loads(out), errors), REFUSED, f"{path} is not a workflow", "save the workflow again"
    )
    assert not (tmp_path / "out").exists()


WITHOUT_TORCH = """
import sys
for name in ("torch", "diffusers", "peft", "transformers"):
    sys.modules[name] = None  # an import of it now fails
from lora_workbench.cli.main import main
print([main(["run", path, "--output", "out", "--json"]) for path in sys.argv[1:]])
"""


def test_what_is_wrong_with_workflow_and_data_is_told_without_torch(tmp_path: Path) -> None:
    whole = training(plain_pictures(tmp_path / "whole"), nothing(tmp_path / "base"))
    graphs = [spoil(changed(whole)) for spoil, _ in WORKFLOWS.values()]
    graphs += [changed(whole, base__device=7), changed(whole, base__base="gone")]
    graphs += [{"1": {"class_type": "half a letter: \ud83e", "inputs": {}}}]
    refused = len(graphs)
    graphs += [
        training(make(tmp_path / f"set {number}"), tmp_path / "base", "refuse")
        for number, (make, _) in enumerate(DATA_SETS.values())
    ]
    graphs += [changed(whole, captions__trigger_word="")]
    paths = [tmp_path / f"{number}.json" for number in range(len(graphs))]
    for path, graph in zip(paths, graphs, strict=True):
        path.write_text(json.dumps(graph), encoding="utf-8")
    told = in_another_process(WITHOUT_TORCH, *map(str, paths), folder=tmp_path)
    assert told.stdout.splitlines()[-1] == str([REFUSED] * refused + [FAILED] * (len(graphs) - refused)), told.stderr
    assert "torch" not in told.stderr
