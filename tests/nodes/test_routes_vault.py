"""What the vault's sidebar asks for."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest
import torch
from lora_workbench.engine.core.events import SamplesGenerated
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.sample_files import keeping_samples
from lora_workbench.engine.vault.card import Card
from lora_workbench.engine.vault.searching import Query
from lora_workbench.nodes.host import host as current_host
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.table import Answer, Asked
from lora_workbench.nodes.routes.vault import ROUTES
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file
from workspace import Workspace

GRAPH = {"nodes": [], "version": 1}


@pytest.fixture
def names(host: HeadlessHost) -> list[str]:
    folder = host.adapter_directory()
    folder.mkdir(parents=True, exist_ok=True)
    key = "lora_unet_mid_block_attentions_0_proj_in"
    tensors = {f"{key}.lora_down.weight": torch.ones(4, 8), f"{key}.lora_up.weight": torch.ones(8, 4)}
    save_file(tensors, folder / "fox.safetensors", {"workflow": json.dumps(GRAPH)})
    save_file(tensors, folder / "owl.safetensors")
    Image.new("RGB", (800, 400)).save(folder / "fox.preview.png")
    return sorted(name for name in host.adapter_files() if "fox" in name or "owl" in name)


def answer(path: str, body: dict[str, Any] | None = None, **query: str) -> Answer:
    method = "GET" if body is None else "POST"
    [route] = [route for route in ROUTES if route.path.endswith(path) and route.method == method]
    library = current_host().library
    library.search(Query.of(""), most=0)
    while library.reading:  # so that what has been written is known, however busy the computer
        time.sleep(0.01)
    return route.answer(Asked(query, body or {}))


def test_cards_are_searched_and_listed_in_parts(names: list[str]) -> None:
    told = json.loads(answer("/vault", count="1").content)
    assert (told["total"], len(told["cards"])) == (2, 1)
    [card] = json.loads(answer("/vault", search="fox").content)["cards"]
    assert (card["name"], card["rank"], card["preview"]) == (names[0], 4, card["preview"])
    assert card["preview"], "which its address names, so that pages keep the picture"
    assert json.loads(answer("/vault", here="1").content)["total"] == 0
    assert answer("/vault", search="nonsense:x").status == 400


def test_recent_ones_come_first_and_other_families_are_left_out(names: list[str], host: HeadlessHost) -> None:
    path = host.adapter_directory() / "a.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.ones(4, 8)}, path, {"lw.family": "flux1"})

    def found(**query: str) -> list[str]:
        return [card["name"] for card in json.loads(answer("/vault", **query).content)["cards"]]

    assert found() == ["a.safetensors", *names]
    assert found(recent="gone\nowl.safetensors") == ["owl.safetensors", "a.safetensors", "fox.safetensors"]
    twice = "owl.safetensors\nfox.safetensors\nowl.safetensors"  # named by the graph, and used before
    assert found(recent=twice) == ["owl.safetensors", "fox.safetensors", "a.safetensors"]
    family = json.loads(answer("/card", name="fox.safetensors").content)["family"]
    assert found(fits=family) == names
    assert "a.safetensors" in found(fits="flux1")
    assert set(json.loads(answer("/vault").content)["families"]) == {"flux1", family} - {""}


def test_a_card_by_its_name(names: list[str]) -> None:
    assert json.loads(answer("/card", name=names[0]).content)["rank"] == 4
    assert answer("/card", name="../fox.safetensors").status == 404


def test_programs_get_whole_cards(names: list[str]) -> None:
    listed = json.loads(answer("/vault", whole="1").content)["cards"]
    assert [Card.from_json(json.dumps(told["whole"])).name for told in listed] == names
    told = json.loads(answer("/card", name=names[0], whole="1").content)["whole"]
    assert Card.from_json(json.dumps(told)) == current_host().library.card(names[0])
    assert "whole" not in json.loads(answer("/card", name=names[0]).content)


def test_previews_are_small(names: list[str]) -> None:
    assert answer("/preview", name=names[0]).content_type == "image/webp"
    assert answer("/preview", name=names[1]).status == 404
    assert answer("/preview", name="../fox.safetensors").status == 404


def test_pages_keep_a_preview_until_it_changes(names: list[str], host: HeadlessHost) -> None:
    [card] = json.loads(answer("/vault", search="fox").content)["cards"]
    kept = answer("/preview", name=names[0], version=card["preview"])
    assert "immutable" in kept.headers["Cache-Control"]
    Image.new("RGB", (40, 40)).save(host.adapter_directory() / "fox.preview.png")
    changed = answer("/preview", name=names[0], version=card["preview"])
    assert changed.headers["Cache-Control"] == "private, no-cache"
    assert changed.content != kept.content


def test_a_picture_becomes_the_preview_and_the_one_before_is_kept(names: list[str], host: HeadlessHost) -> None:
    folder, shown = host.adapter_directory(), host.output_directory() / "drawn"
    shown.mkdir()
    metadata = PngInfo()
    metadata.add_text("workflow", "secret")
    Image.new("RGB", (3000, 1500), "red").save(shown / "one.png", pnginfo=metadata)
    before = (folder / "fox.preview.png").read_bytes()
    told = {"type": "output", "subfolder": "drawn", "filename": "one.png"}
    assert answer("/preview", {"name": names[0], "picture": told}).status == 200
    with Image.open(folder / "fox.preview.png") as preview:
        assert (preview.size, preview.getpixel((5, 5)), preview.info) == ((1024, 512), (255, 0, 0), {})
    assert (folder / "fox.replaced_00001.png").read_bytes() == before
    assert answer("/preview", {"name": names[1], "picture": told}).status == 200
    assert len(json.loads(answer("/vault", search="owl").content)["cards"][0]["preview"]) > 0


def test_a_preview_of_another_ending_gives_way(names: list[str], host: HeadlessHost) -> None:
    folder = host.adapter_directory()
    Image.new("RGB", (8, 8)).save(folder / "owl.jpg")
    Image.new("RGB", (8, 8), "red").save(host.output_directory() / "one.png")
    assert answer("/preview", {"name": names[1], "picture": {"type": "output", "filename": "one.png"}}).status == 200
    assert sorted(path.name for path in folder.glob("owl.*")) == [
        "owl.preview.png", "owl.replaced_00001.jpg", "owl.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "picture",
    [
        None, 3, {}, {"type": "output"}, {"type": "user", "filename": "one.png"}, {"run": "x", "step": 1, "number": 1},
        {"type": "output", "filename": "../outside.png"},
        {"type": "output", "subfolder": "..", "filename": "outside.png"},
        {"type": "output", "filename": "link.png"}, {"type": "output", "filename": "a\0.png"},
        {"type": "output", "filename": "x" * 9999}, {"run": "0123456789abcdef-2", "step": "1", "number": None},
    ],
)  # fmt: skip
def test_only_pictures_of_known_folders_are_read(names: list[str], host: HeadlessHost, picture: object) -> None:
    outside = host.output_directory().parent / "outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    (host.output_directory() / "link.png").symlink_to(outside)
    assert answer("/preview", {"name": names[1], "picture": picture}).status == 404
    assert not (host.adapter_directory() / "owl.preview.png").exists()


def test_what_is_no_picture_is_refused(names: list[str], host: HeadlessHost) -> None:
    (host.output_directory() / "text.png").write_text("no picture")
    told = answer("/preview", {"name": names[0], "picture": {"type": "output", "filename": "text.png"}})
    assert told.status == 400
    assert not [*host.adapter_directory().glob("*replaced*")]


def test_the_samples_of_its_run(names: list[str], host: HeadlessHost, workspace: Workspace) -> None:
    assert json.loads(answer("/pictures", name=names[0]).content) == {"samples": []}
    own = HeadlessHost(workspace.output)
    trained = listed_runs(own.run_store())[0]
    assert trained.latest
    shutil.copy(trained.latest, host.adapter_directory() / "mine.safetensors")
    store = host.run_store()
    image = Image.new("RGB", (8, 8), "red")
    told = SamplesGenerated(step=2, images=[image], prompts=["a <b>fox</b>"])
    for _ in keeping_samples((event for event in [told]), store.samples(trained.lineage, trained.steps)):
        pass
    [sample] = json.loads(answer("/pictures", name="mine.safetensors").content)["samples"]
    assert (sample["step"], sample["number"], sample["prompt"]) == (2, 1, "a <b>fox</b>")
    assert answer("/preview", {"name": "mine.safetensors", "picture": sample}).status == 200
    assert (host.adapter_directory() / "mine.preview.png").is_file()


def test_values_to_choose_among(names: list[str]) -> None:
    told = json.loads(answer("/values", search="fox", family="nothing").content)
    assert (told["family"], told["kind"], told["here"]) == ([["sd1", 1]], [], 0)
    assert len(names) == 2


def test_the_graph_that_trained_it(names: list[str]) -> None:
    assert json.loads(answer("/workflow", name=names[0]).content) == {"workflow": GRAPH}
    assert answer("/workflow", name=names[1]).status == 404


def test_pins_are_kept(names: list[str]) -> None:
    for pinned in (True, False):
        assert answer("/pin", {"name": names[0], "pinned": pinned}).status == 200
        [card] = json.loads(answer("/vault", search="fox").content)["cards"]
        assert card["pinned"] is pinned
    assert answer("/pin", {"name": names[0], "pinned": "yes"}).status == 400
    assert answer("/pin", {"name": "../x", "pinned": True}).status == 404


def test_notes_are_kept(names: list[str]) -> None:
    assert answer("/note", {"name": names[0], "note": "<b>good</b>"}).status == 200
    [card] = json.loads(answer("/vault", search="fox").content)["cards"]
    assert card["note"] == "<b>good</b>"
    assert answer("/note", {"name": names[0], "note": 3}).status == 400
    assert answer("/note", {"name": "../x", "note": ""}).status == 404
