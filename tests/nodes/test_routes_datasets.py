"""What galleries ask for."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.views import Crop
from lora_workbench.nodes.dataset.curate_dataset import CurateDataset
from lora_workbench.nodes.dataset.load_dataset import LoadDataset
from lora_workbench.nodes.dataset.mask_dataset import MaskDataset
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.kit import galleries
from lora_workbench.nodes.kit.galleries import gallery, kept_dataset
from lora_workbench.nodes.routes.datasets import ROUTES
from lora_workbench.nodes.routes.table import Answer, Asked
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)>"


def made(folder: Path, count: int = 3, size: tuple[int, int] = (40, 30)) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", size, (number % 256, 60, 200)).save(folder / f"{number:04}.png")
        (folder / f"{number:04}.txt").write_text(f"a picture, number {number} {HOSTILE}", encoding="utf-8")
    return folder


def asked(path: str, **query: Any) -> Answer:
    (route,) = [route for route in ROUTES if route.path.endswith(f"/{path}")]
    return route.answer(Asked({name.rstrip("_"): str(value) for name, value in query.items()}))


def told(answer: Answer) -> Any:
    return json.loads(answer.content)


def opened(answer: Answer) -> Image.Image:
    assert (answer.status, answer.content_type) == (200, "image/webp")
    return Image.open(io.BytesIO(answer.content))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(made(tmp_path / "fox"))


def test_records_have_what_a_gallery_shows(dataset: Dataset) -> None:
    first = replace(dataset.records[0], repeats=4, crops=(Crop(box=(5, 0, 35, 30), size=(64, 64)),))
    dataset = replace(dataset, records=(first, *dataset.records[1:]), trigger=TriggerWord(word="ohwx"))
    given = gallery(dataset, flags={"0001.png": [("blurred", "soft")]}, dropped={"0001.png": "blurred (soft)"})
    assert (given["name"], given["pictures"]) == ("fox", 3)
    answer = told(asked("dataset", token=given["token"]))
    assert (answer["total"], answer["from"]) == (3, 0)
    one, two, _ = answer["records"]
    assert one == {
        "name": "0000.png", "width": 40, "height": 30, "caption": f"a picture, number 0 {HOSTILE}", "trigger": "ohwx",
        "flags": [], "dropped": "", "repeats": 4, "crops": [{"box": [5, 0, 35, 30], "size": [64, 64]}],
        "has_mask": False, "mask_unused": False,
    }  # fmt: skip
    assert two["flags"] == [{"label": "blurred", "reason": "soft"}] and two["dropped"] == "blurred (soft)"


def test_at_most_two_hundred_records_come_at_once(tmp_path: Path) -> None:
    token = gallery(load_dataset(made(tmp_path / "many", 230, (8, 8))))["token"]
    assert len(told(asked("dataset", token=token, count=5000))["records"]) == 200
    rest = told(asked("dataset", token=token, from_=200, count=200))
    assert rest["from"] == 200 and rest["records"][0]["name"] == "0200.png"
    assert len(rest["records"]) == 30
    assert told(asked("dataset", token=token, from_=10**9))["records"] == []


def test_data_sets_that_are_not_kept_are_unknown() -> None:
    for path in ("thumbnail", "mask"):
        assert asked(path, token="nobody", name="0000.png").status == 404
    assert told(asked("dataset", token="nobody")) == {"known": False}


def test_thumbnails_are_small_and_keep_their_shape(dataset: Dataset, tmp_path: Path) -> None:
    large = load_dataset(made(tmp_path / "large", 1, (400, 100)))
    token = gallery(large)["token"]
    assert opened(asked("thumbnail", token=token, name="0000.png", side=64)).size == (64, 16)
    assert opened(asked("thumbnail", token=token, name="0000.png", side=99999)).size == (400, 100)
    picture = opened(asked("thumbnail", token=gallery(dataset)["token"], name="0001.png")).convert("RGB")
    assert picture.size == (40, 30) and abs(picture.getpixel((3, 3))[2] - 200) < 12  # type: ignore[index]


def test_only_pictures_of_the_data_set_are_opened(dataset: Dataset, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    token = gallery(dataset)["token"]
    for name in ("../secret.png", str(tmp_path / "secret.png"), "0000", "0000.txt", "", "0000.png\0"):
        assert asked("thumbnail", token=token, name=name).status == 404
        assert asked("mask", token=token, name=name).status == 404


def test_a_file_that_has_changed_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (1, 2, 3)).save(tmp_path / "fox" / "0002.png")
    answer = asked("thumbnail", token=gallery(dataset)["token"], name="0002.png", side=33)
    assert answer.status == 400 and told(answer)["error"]["message"]


def test_masks_lie_over_what_does_not_count(tmp_path: Path, host: HeadlessHost) -> None:
    del host
    folder = made(tmp_path / "masked", 2)
    mask = Image.new("L", (40, 30), 255)
    mask.paste(0, (0, 0, 20, 30))
    mask.save(folder / "0000_mask.png")
    ui = MaskDataset.execute(load_dataset(folder), "files", 0.1).ui
    token = ui["lw_dataset"][0]["token"]
    assert [record["has_mask"] for record in told(asked("dataset", token=token))["records"]] == [True, False]
    over = opened(asked("mask", token=token, name="0000.png")).convert("RGBA")
    assert over.getpixel((4, 15))[3] > 140 and over.getpixel((35, 15))[3] < 5  # type: ignore[index]
    assert asked("mask", token=token, name="0001.png").status == 404
    weak = MaskDataset.execute(load_dataset(folder), "files", 0.8).ui["lw_dataset"][0]["token"]
    fainter = opened(asked("mask", token=weak, name="0000.png")).convert("RGBA")
    assert 10 < fainter.getpixel((4, 15))[3] < over.getpixel((4, 15))[3] / 3  # type: ignore[index]


def test_masks_that_do_not_count_are_not_drawn(tmp_path: Path) -> None:
    folder = made(tmp_path / "masked", 1)
    Image.new("L", (40, 30)).save(folder / "0000_mask.png")
    token = gallery(load_dataset(folder))["token"]
    (record,) = told(asked("dataset", token=token))["records"]
    assert not record["has_mask"] and record["mask_unused"]
    assert asked("mask", token=token, name="0000.png").status == 404


def test_pictures_in_memory_are_forgotten_when_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galleries, "_MOST_BYTES", 3000)
    noise = [Image.effect_noise((40, 40), 90).convert("RGB") for _ in range(3)]
    tokens = [gallery(dataset_from_images([picture], ["x"], "memory"))["token"] for picture in noise]
    assert [kept_dataset(token) is not None for token in tokens] == [False, False, True]


def test_the_token_follows_what_is_shown(dataset: Dataset) -> None:
    token = gallery(dataset)["token"]
    assert gallery(dataset)["token"] == token
    assert gallery(dataset.with_captions(["x"] * 3))["token"] != token
    assert gallery(dataset, dropped={"0000.png": "x"})["token"] != token
    assert gallery(replace(dataset, trigger=TriggerWord(word="ohwx")))["token"] != token


def test_of_equal_data_sets_the_last_one_is_read(dataset: Dataset, tmp_path: Path) -> None:
    token = gallery(dataset)["token"]
    again = load_dataset(made(tmp_path / "again"))
    (tmp_path / "fox" / "0001.png").unlink()
    assert gallery(again)["token"] == token
    assert asked("thumbnail", token=token, name="0001.png", side=37).status == 200


def test_only_the_last_data_sets_are_kept(dataset: Dataset) -> None:
    token = gallery(dataset)["token"]
    for number in range(32):
        gallery(dataset.with_captions([str(number)] * 3))
    assert kept_dataset(token) is None
    assert gallery(dataset)["token"] == token and kept_dataset(token) is not None


def test_nodes_give_their_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: HeadlessHost) -> None:
    folder = made(tmp_path / "fox")
    monkeypatch.setattr(type(host), "dataset_path", lambda self, path: Path(path))
    loaded = LoadDataset.execute(str(folder), "skip")
    assert told(asked("dataset", token=loaded.ui["lw_dataset"][0]["token"]))["total"] == 3
    switches: dict[str, Any] = {
        item.id: False for item in CurateDataset.define_schema().inputs if item.id.startswith("drop_")
    }
    curated = CurateDataset.execute(loaded.args[0], goal="subject", drop="0001.png", **switches)
    records = told(asked("dataset", token=curated.ui["lw_dataset"][0]["token"]))["records"]
    assert [record["dropped"] for record in records] == ["", "named by hand", ""]
    assert all("small" in [flag["label"] for flag in record["flags"]] for record in records)
