"""What the vault's sidebar asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.table import Answer, Asked
from lora_workbench.nodes.routes.vault import ROUTES
from PIL import Image
from safetensors.torch import save_file

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
    [route] = [route for route in ROUTES if route.path.endswith(path)]
    return route.answer(Asked(query, body or {}))


def test_cards_are_searched_and_listed_in_parts(names: list[str]) -> None:
    told = json.loads(answer("/vault", count="1").content)
    assert (told["total"], len(told["cards"])) == (2, 1)
    [card] = json.loads(answer("/vault", search="fox").content)["cards"]
    assert (card["name"], card["rank"], card["preview"]) == (names[0], 4, True)
    assert json.loads(answer("/vault", here="1").content)["total"] == 0
    assert answer("/vault", search="nonsense:x").status == 400


def test_recent_ones_come_first_and_other_families_are_left_out(names: list[str], host: HeadlessHost) -> None:
    path = host.adapter_directory() / "a.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.ones(4, 8)}, path, {"lw.family": "flux1"})

    def found(**query: str) -> list[str]:
        return [card["name"] for card in json.loads(answer("/vault", **query).content)["cards"]]

    assert found() == ["a.safetensors", *names]
    assert found(recent="gone\nowl.safetensors") == ["owl.safetensors", "a.safetensors", "fox.safetensors"]
    family = json.loads(answer("/card", name="fox.safetensors").content)["family"]
    assert found(fits=family) == names
    assert "a.safetensors" in found(fits="flux1")
    assert set(json.loads(answer("/vault").content)["families"]) == {"flux1", family} - {""}


def test_a_search_among_what_is_known_looks_at_no_file(names: list[str], host: HeadlessHost) -> None:
    assert json.loads(answer("/vault", known="1").content)["total"] == 0
    assert json.loads(answer("/vault").content)["total"] == 2
    (host.adapter_directory() / "owl.safetensors").unlink()
    assert json.loads(answer("/vault", known="1").content)["total"] == 2
    assert json.loads(answer("/vault").content)["total"] == 1


def test_a_card_by_its_name(names: list[str]) -> None:
    assert json.loads(answer("/card", name=names[0]).content)["rank"] == 4
    assert answer("/card", name="../fox.safetensors").status == 404


def test_previews_are_small(names: list[str]) -> None:
    assert answer("/preview", name=names[0]).content_type == "image/webp"
    assert answer("/preview", name=names[1]).status == 404
    assert answer("/preview", name="../fox.safetensors").status == 404


def test_the_graph_that_trained_it(names: list[str]) -> None:
    assert json.loads(answer("/workflow", name=names[0]).content) == {"workflow": GRAPH}
    assert answer("/workflow", name=names[1]).status == 404


def test_notes_are_kept(names: list[str]) -> None:
    assert answer("/note", {"name": names[0], "note": "<b>good</b>"}).status == 200
    [card] = json.loads(answer("/vault", search="fox").content)["cards"]
    assert card["note"] == "<b>good</b>"
    assert answer("/note", {"name": names[0], "note": 3}).status == 400
    assert answer("/note", {"name": "../x", "note": ""}).status == 404
