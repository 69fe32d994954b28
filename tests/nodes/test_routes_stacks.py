"""What the editor of a stack is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.stacks import amount, rows
from lora_workbench.nodes.routes.table import Asked


@pytest.fixture
def loras(host: HeadlessHost) -> Path:
    """Two adapters of one layer, which don't overlap; one of another family; one whose words stand beside it."""
    import torch

    folder = host.adapter_directory()
    for name, family, sides in (("a/fox", "sd1", (0, 1)), ("owl", "sd1", (1, 0)), ("giant", "flux1", (0, 1))):
        down, up = torch.zeros(1, 4), torch.zeros(4, 1)
        down[0, sides[0]] = up[sides[1], 0] = 1
        modules = {"denoiser.mid_block.attentions.0.proj_in": LowRank(down=down, up=up, alpha=1.0)}
        told = Adapter(name=name, family=family, modules=modules, metadata={"lw.family": family})
        save_adapter(told, folder / f"{name}.safetensors", key_style="kohya")
    (folder / "owl.json").write_text('{"activation text": "zwx owl"}')
    return folder


def ask(route: Any, text: object) -> dict[str, Any]:
    return json.loads(route(Asked(body={"rows": text})).content)


@pytest.mark.usefixtures("loras")
def test_rows_have_the_whole_name_and_the_words_beside_the_file() -> None:
    fox, owl, gone = ask(rows, "on | fox | 0.8\noff | owl\non | gone")["rows"]
    assert (fox["name"], fox["family"], fox["phrases"]) == ("a/fox.safetensors", "sd1", [])
    assert owl["phrases"] == ["zwx owl"]
    assert "name" not in gone and "There is no adapter 'gone'" in gone["problem"]


@pytest.mark.usefixtures("loras")
def test_rows_that_are_on_amount_to_what_can_be_told() -> None:
    told = ask(amount, "on | fox | 1.5\non | owl | 2\noff | giant | 3\non | gone | 5\non | fox | 0")
    assert told["total_weight"] == 3.5
    assert told["effective_total"] == pytest.approx(2.5)
    assert (told["breaks"], told["limit"]) == (True, 2)
    assert told["suggested_factor"] * told["effective_total"] == pytest.approx(told["best"])
    assert ask(amount, "on | fox\non | giant")["effective_total"] is None
    assert ask(amount, "")["total_weight"] == 0
    assert ask(amount, "on | fox | lots") == {"total_weight": None}


@pytest.mark.usefixtures("loras")
def test_rows_that_come_in_by_wire_are_counted() -> None:
    told = json.loads(amount(Asked(body={"rows": "on | owl | 2", "before": ["on | fox | 1", "off | fox"]})).content)
    assert told["total_weight"] == 3
    assert told["effective_total"] == pytest.approx(5**0.5)
    told = json.loads(amount(Asked(body={"rows": "on | owl | 2", "before": ["on | fox | lots"]})).content)
    assert told == {"total_weight": None}
    assert amount(Asked(body={"rows": "", "before": 7})).status == 400


def test_a_damaged_file_is_told(loras: Path) -> None:
    whole = (loras / "owl.safetensors").read_bytes()
    (loras / "owl.safetensors").write_bytes(whole[:-4])
    told = ask(amount, "on | owl")
    assert told["total_weight"] is None and "owl" in told["problem"]


def test_what_cant_be_read_is_refused(host: HeadlessHost) -> None:
    assert rows(Asked(body={"rows": 7})).status == amount(Asked(body={})).status == 400
