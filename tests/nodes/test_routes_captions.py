"""What galleries ask of captions."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.data.marks import unmarked
from lora_workbench.headless.running import running
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit.base_models import loaded
from lora_workbench.nodes.kit.galleries import gallery
from lora_workbench.nodes.kit.token_counts import remembered
from lora_workbench.nodes.routes.captions import ROUTES
from lora_workbench.nodes.routes.table import Answer, Asked
from lora_workbench.nodes.training.load_base import LoadBase
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)>"


def posted(path: str, **body: Any) -> Answer:
    (route,) = [route for route in ROUTES if route.path.endswith(f"/{path}")]
    assert route.method == "POST"
    return route.answer(Asked(body={name.rstrip("_"): value for name, value in body.items()}))


def told(answer: Answer) -> Any:
    assert answer.status == 200, answer.content
    return json.loads(answer.content)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Three captioned pictures in the host's folder for data sets."""
    folder = tmp_path / "input" / "fox"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (20, 20), (number * 20, 60, 60)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"old {number}", encoding="utf-8")
    with running(HeadlessHost(tmp_path / "output", workflow_folder=tmp_path / "input", silent=True)):
        yield folder


def token_of(dataset: Dataset) -> str:
    return gallery(dataset)["token"]


def test_a_try_says_what_would_be_and_writes_nothing(folder: Path) -> None:
    (folder / "2.txt").unlink()
    token = token_of(load_dataset(folder))
    (folder / "1.txt").write_text("by somebody else")
    answer = told(posted("captions", token=token, captions={"0.png": "new", "1.png": "new", "2.png": "new"}, try_=True))
    assert (answer["replaced"], answer["made"], answer["unchanged"]) == (["0.png"], ["2.png"], 0)
    assert [(one["name"], "has changed" in one["reason"]) for one in answer["refused"]] == [("1.png", True)]
    assert answer["backups"].endswith("replaced_captions") and not Path(answer["backups"]).exists()
    assert (folder / "0.txt").read_text() == "old 0" and not (folder / "2.txt").exists()


def test_captions_are_written_twice_from_one_gallery(folder: Path) -> None:
    token = token_of(load_dataset(folder))
    first = told(posted("captions", token=token, captions={"0.png": HOSTILE, "1.png": "old 1"}))
    assert (first["written"], first["unchanged"], first["refused"]) == (["0.png"], 1, [])
    second = told(posted("captions", token=token, captions={"0.png": "again"}))
    assert second["written"] == ["0.png"] and (folder / "0.txt").read_text() == "again"
    kept = [Path(path).read_text() for answer in (first, second) for path in answer["backups"]]
    assert kept == ["old 0", HOSTILE]


def test_another_gallery_does_not_overwrite_what_it_has_not_shown(folder: Path) -> None:
    dataset = load_dataset(folder)
    older, newer = token_of(dataset), token_of(dataset.with_captions(["x"] * 3))
    assert told(posted("captions", token=newer, captions={"0.png": "newer"}))["written"] == ["0.png"]
    answer = told(posted("captions", token=older, captions={"0.png": "older"}))
    assert "has changed since" in answer["refused"][0]["reason"] and (folder / "0.txt").read_text() == "newer"


def test_our_own_data_sets_are_not_written(folder: Path) -> None:
    dataset = load_dataset(ASSETS / "datasets" / "fox")
    name = dataset.records[0].name
    answer = told(posted("captions", token=token_of(dataset), captions={name: "x"}))
    assert "outside of the folders" in answer["refused"][0]["reason"]
    assert load_dataset(ASSETS / "datasets" / "fox").records[0].caption == dataset.records[0].caption


@pytest.mark.parametrize("captions", [None, [], {"0.png": 1}, {str(number): "" for number in range(201)}])
def test_what_are_no_captions_is_refused(folder: Path, captions: Any) -> None:
    assert posted("captions", token=token_of(load_dataset(folder)), captions=captions).status == 400


def test_names_are_looked_up(folder: Path) -> None:
    token = token_of(load_dataset(folder))
    names = ["../../x.png", str(folder / "0.png"), "0.txt", "", "0.png\0", "../fox/0.png"]
    answer = told(posted("captions", token=token, captions=dict.fromkeys(names, "new")))
    assert answer["written"] == [] and len(answer["refused"]) == len(names)
    assert told(posted("captions", token="nobody", captions={})) == {"known": False}


def test_tokens_are_counted_by_the_base_models_tokenizer(folder: Path) -> None:
    given = LoadBase.execute("demo_base", "cpu", "fp32")
    (base,) = given.ui["lw_base"]
    texts = ["a fox", "", HOSTILE, "fox " * 200]
    answer = told(posted("tokens", texts=texts, bases=[base["token"], "nobody"], names=["nobody"]))
    backbone = given.args[0]
    wanted = [len(next(iter(backbone.tokenize(text).values()))) for text in texts]
    assert [one["tokens"] for one in answer["counts"]] == wanted
    assert wanted[0] > 1 and wanted[1] == 0 and wanted[3] > 200
    assert answer["models"] == [base["name"]] == [answer["counts"][0]["model"]]
    assert answer["counts"][0]["limit"] == next(iter(backbone.chunk_lengths.values()))


def test_marks_of_other_programs_are_no_tokens(folder: Path) -> None:
    base = LoadBase.execute("demo_base", "cpu", "fp32").ui["lw_base"][0]["token"]
    plain, marked = told(
        posted("tokens", texts=[unmarked("a fox ||| snow"), "a fox ||| snow"], bases=[base], names=[])
    )["counts"]
    assert marked == plain


def test_without_a_base_model_nothing_is_counted(folder: Path) -> None:
    assert told(posted("tokens", texts=["a fox"], bases=["nobody"], names=[])) == {"models": [], "counts": [None]}
    for body in ({"texts": "a"}, {"texts": [1]}, {"texts": ["a"] * 201}, {"bases": 1}):
        assert posted("tokens", **{"texts": [], "bases": [], "names": [], **body}).status == 400


def test_a_base_model_is_not_kept_in_memory(folder: Path) -> None:
    backbone = LoadBase.execute("demo_base", "cpu", "fp32").args[0]
    token = remembered(backbone)["token"]
    assert told(posted("tokens", texts=["a"], bases=[token], names=[]))["models"]
    del backbone
    loaded.cache_clear()
    gc.collect()
    assert told(posted("tokens", texts=["a"], bases=[token], names=[]))["models"] == []


def test_a_named_base_model_counts_before_it_is_loaded(folder: Path) -> None:
    before = loaded.cache_info().misses
    texts = ["a fox", HOSTILE]
    answer = told(posted("tokens", texts=texts, bases=["nobody"], names=["demo_base", "no such base", "../fox", ""]))
    assert answer["models"] == ["demo_base"] and loaded.cache_info().misses == before
    by_loaded = LoadBase.execute("demo_base", "cpu", "fp32").ui["lw_base"][0]["token"]
    assert answer["counts"] == told(posted("tokens", texts=texts, bases=[by_loaded], names=[]))["counts"]


def test_a_folder_that_is_no_base_model_counts_nothing(folder: Path) -> None:
    assert told(posted("tokens", texts=["a"], bases=[], names=["fox"])) == {"models": [], "counts": [None]}
