"""Snapshots compared on the graph: drawn, measured, judged, kept for the run report, and not drawn twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.reports.grid import grid_of
from lora_workbench.engine.runs.listing import find_runs
from lora_workbench.engine.runs.measuring import kept_course
from lora_workbench.engine.runs.store import RunStore
from workspace import Graph, Workspace, changed, chosen, in_api_format, training

SETTINGS = chosen(steps=6, rank=2, snapshot_every=2, schedule="constant", learning_rate=1e-2)["settings"]
PROMPTS = "a zwx thing\na zwx thing at sea\na zwx thing in snow\na cow"


def comparing(workspace: Workspace, **values: Any) -> Graph:
    graph = changed(training(workspace.pictures, workspace.base), recipe__settings=SETTINGS)
    more = in_api_format({
        "compare": ("LW_CompareSnapshots", {
            "base": ["base", 0], "snapshots": ["train", 4], "prompts": PROMPTS, "captions": 0, "seed": 3, "steps": "",
            "most": 8, "sampling_steps": 2, "guidance": 0.0,
        }),
        "pick": ("LW_PickSnapshot", {"snapshots": ["compare", 0], "by": "verdict", "step": 1}),
        "report": ("LW_RunReport", {"adapter": ["pick", 0], "filename": ""}),
        "pictures": ("LW_SaveImages", {"filename_prefix": "compared", "images": ["compare", 1]}),
        "single": ("LW_SaveImages", {"filename_prefix": "single", "batch": ["compare", 4]}),
    })  # fmt: skip
    return changed(graph | more, **values)


@pytest.fixture
def workspace(tmp_path: Path, tiny_sd1: Path) -> Workspace:
    return Workspace(tmp_path, tiny_sd1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> tuple[Workspace, dict[str, Any]]:
    """(where snapshots have been compared for the first time, the reports)."""
    workspace = Workspace(tmp_path_factory.mktemp("first"), tiny_sd1)
    return workspace, workspace.told(comparing(workspace))["reports"]


@pytest.fixture
def compared(first: tuple[Workspace, dict[str, Any]], tmp_path: Path) -> Workspace:
    """The same, for one test alone."""
    return first[0].copied(tmp_path)


def drawn(workspace: Workspace) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in workspace.output.rglob("run-store/drawn/**/*.png")}


def test_snapshots_are_drawn_measured_and_judged(first: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, told = first
    measures = told["compare"]["measures"]
    assert [own["step"] for own in measures] == [0, 2, 4, 6]
    assert all(own["novelty"] is not None and own["likeness"] is not None for own in measures)
    assert measures[0]["adherence"] == pytest.approx(1) and measures[0]["drift"] is None
    assert told["compare"]["prompts"] == PROMPTS.splitlines()
    assert told["pick"]["verdict"] == told["compare"]["verdict"], "the verdict goes on with the snapshots"
    assert told["pick"]["step"] == told["compare"]["verdict"]["best"]
    assert len(drawn(workspace)) == 4 * 4
    page = (workspace.output / told["report"]["path"]).read_text(encoding="utf-8")
    assert "Snapshots side by side" in page and "a zwx thing at sea, step 4" in page and "Novelty" in page
    assert len([*workspace.output.glob("single*.png")]) == 16 and len([*workspace.output.glob("compared*.png")]) == 1


def test_lists_of_runs_have_the_same_verdict(first: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, told = first
    [run] = find_runs(RunStore(workspace.output / "run-store"), "zwx")
    assert run.verdict and run.verdict.facts() == told["compare"]["verdict"]


def test_a_run_that_ended_early_has_its_pictures_in_its_report(workspace: Workspace) -> None:
    settings = chosen(
        steps=24, rank=2, snapshot_every=2, schedule="constant", learning_rate=1e-7, measures="true", early_stop=1
    )["settings"]
    reports = workspace.told(comparing(workspace, recipe__settings=settings, compare__captions=1))["reports"]
    assert "Stopped early" in str(reports["train"]), "with a rate so low that nothing is learned"
    page = (workspace.output / reports["report"]["path"]).read_text(encoding="utf-8")
    assert "Snapshots side by side" in page


def test_what_was_drawn_is_not_drawn_again(compared: Workspace) -> None:
    before = drawn(compared)
    assert compared.told(comparing(compared))["cached_nodes"] == len(comparing(compared))
    fewer = compared.told(comparing(compared, compare__steps="2, 6", compare__prompts="a cow\na zwx thing"))
    assert [own["step"] for own in fewer["reports"]["compare"]["measures"]] == [0, 2, 6]
    assert drawn(compared) == before
    compared.told(comparing(compared, compare__most=1, compare__seed=4))
    assert len(drawn(compared)) == len(before) + 8, "another seed gives others, of the base model and the last"


def test_without_prompts_captions_are_drawn(compared: Workspace) -> None:
    graph = comparing(compared, compare__prompts=" ", compare__captions=3, compare__steps="6")
    told = compared.told(graph)["reports"]["compare"]
    assert told["prompts"] == [
        "a zwx thing", "a zwx thing in the jungle", "a zwx thing on the beach", "a zwx thing in the snow",
        "a thing in the jungle", "a thing on the beach",
    ]  # fmt: skip


def test_a_pruned_picture_leaves_the_grid_out_of_reports(compared: Workspace) -> None:
    store = RunStore(compared.output / "run-store")
    [run] = (store.root / "runs").iterdir()
    course = kept_course(store, run.name, 6)
    assert course and grid_of(course, store) and kept_course(store, run.name, 4) is None
    next(iter(drawn(compared))).unlink()
    assert grid_of(course, store) is None


def test_the_run_store_knows_the_pictures(compared: Workspace) -> None:
    from lora_workbench.engine.runs.inventory import Wish, existing_store, prune

    store: RunStore = existing_store(compared.output / "run-store")
    gone = prune(store, Wish(kinds=frozenset({"cache"})))
    assert len([item for item in gone if item.name == "drawn"]) == 16 and not drawn(compared)


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"compare__steps": "3"}, 1, "There is no snapshot after step 3 of zwx."),
        ({"compare__steps": "two"}, 2, "'two' isn't a list of whole numbers."),
        (
            {"compare__prompts": "", "train__dataset": ["data", 0], "recipe__dataset": ["data", 0]},
            1,
            "There is nothing to draw: prompts are empty",
        ),
    ],
)
def test_what_there_is_not_is_refused(compared: Workspace, values: dict[str, Any], status: int, words: str) -> None:
    assert words in compared.told(comparing(compared, **values), status)["error"]
