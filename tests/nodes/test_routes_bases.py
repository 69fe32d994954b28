"""What is told of base models by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.bases import bases
from lora_workbench.nodes.routes.table import Asked


def told(*names: str) -> list[dict[str, Any]]:
    return json.loads(bases(Asked({"names": "\n".join(names)})).content)["bases"]


@pytest.mark.usefixtures("host")
def test_families_and_what_they_generate_well_with(tiny_sd1: Path) -> None:
    demo, missing, tiny = told("demo_base", "nothing.safetensors", str(tiny_sd1))
    assert (demo["name"], demo["family"], demo["steps"], demo["guidance"]) == ("demo_base", "sd1", 25, 3.0)
    assert (missing["name"], missing["family"], missing["steps"]) == ("nothing.safetensors", "", 25)
    assert (tiny["family"], tiny["guidance"]) == ("sd1", 7.0)


def test_what_is_no_base_model_has_no_family(host: HeadlessHost) -> None:
    folder = host.output_directory() / "strange"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{")
    assert told(str(folder))[0]["family"] == ""
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert told(str(folder))[0]["family"] == "sd1"
