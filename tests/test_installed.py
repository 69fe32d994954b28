"""What people install works where nothing else of the project is: the wheel in a bare environment, and the archive of
ComfyUI's registry in a fresh ComfyUI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from comfyui_server import Server, serve
from lora_workbench.cli.nodes import registry

QUICK = ["--set", "fox: recipe.steps=20", "--set", "riso: recipe.steps=20"]
TROUBLE = re.compile(r"traceback|import failed|error|exception|cannot import|failed", re.IGNORECASE)
NODE = "lora-workbench"


@pytest.fixture(scope="module")
def bare(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that has the wheel and what pip brings with it.

    The versions are those that everything is tested with, so that torch is the build of ``make venv``.
    """
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    for what in ("torch", str(wheel)):
        subprocess.run([*pip, "--constraint", str(root / "constraints.txt"), what], check=True)
    return folder / "bin"


def _told(program: Path, *arguments: str, folder: Path) -> dict:
    """The last line of what a program prints, as JSON. It gets no variable that could lead it to this repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    run = subprocess.run([str(program), *arguments], cwd=folder, env=kept, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.releases
def test_wheel_in_a_bare_environment(bare: Path, tmp_path: Path, root: Path):
    program = bare / "lora-workbench"
    listed = {each["name"]: Path(each["path"]) for each in _told(program, "workflows", "--json", folder=tmp_path)}
    assert listed.keys() == {path.stem for path in (root / "workflows").glob("*.json")}
    assert listed["quickstart"].is_relative_to(bare.parent.resolve())

    first = _told(program, "run", "quickstart", "--json", *QUICK, folder=tmp_path)
    assert {Path(path).relative_to(tmp_path).as_posix() for path in first["adapters"]} >= {
        "output/loras/fox.safetensors",
        "output/loras/riso.safetensors",
    }
    assert first["images"] and all(Path(path).is_file() for path in first["images"])

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = _told(
        program, "run", "quickstart", "--json", *QUICK, "--output", str(tmp_path / "output"), folder=elsewhere
    )
    assert again["adapters"] == first["adapters"]
    assert again["cached_nodes"] > first["cached_nodes"]
    assert not list(elsewhere.iterdir())


@pytest.fixture(scope="module")
def comfyui(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ComfyUI whose only extension is the archive, unpacked."""
    folder = tmp_path_factory.mktemp("comfyui")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / "custom_nodes" / NODE)
    with serve(None, folder) as server:
        yield server


def _served(server: Server, path: str) -> bytes:
    with urlopen(f"{server.url}/{quote(path.lstrip('/'))}") as answer:
        return answer.read()


@pytest.mark.comfyui
@pytest.mark.slow
def test_archive_gives_comfyui_every_node(comfyui: Server):
    described = comfyui.get("/object_info")
    assert {name for name in described if name.startswith("LW_")} == set(registry())
    assert all(described[name]["python_module"] == f"custom_nodes.{NODE}" for name in registry())
    told = [line for line in comfyui.log.read_text("utf-8").splitlines() if TROUBLE.search(line)]
    assert not [line for line in told if NODE in line or "LW_" in line or "lora_workbench" in line], told


@pytest.mark.comfyui
@pytest.mark.slow
def test_archive_gives_the_front_end_its_files(comfyui: Server, root: Path):
    scripts = set(comfyui.get("/extensions"))
    assert scripts >= {
        f"/extensions/{NODE}/{path.relative_to(root / 'js').as_posix()}" for path in root.glob("js/**/*.js")
    }
    for path in (root / "js").rglob("*.*"):
        assert _served(comfyui, f"extensions/{NODE}/{path.relative_to(root / 'js').as_posix()}") == path.read_bytes()
    translated = comfyui.get("/i18n")
    for language in ("en", "zh"):
        assert translated[language]["nodeDefs"].keys() >= set(registry())


@pytest.mark.comfyui
@pytest.mark.slow
def test_archive_gives_templates_and_blueprints(comfyui: Server, root: Path):
    names = {path.stem for path in (root / "workflows").glob("*.json")}
    assert set(comfyui.get("/workflow_templates")[NODE]) == names
    for name in names:
        for ending in ("json", "jpg"):
            served = _served(comfyui, f"api/workflow_templates/{NODE}/{name}.{ending}")
            assert served == (root / "workflows" / f"{name}.{ending}").read_bytes()
    blueprints = {each["name"] for each in comfyui.get("/global_subgraphs").values() if NODE in json.dumps(each)}
    assert blueprints == {path.stem for path in (root / "subgraphs").glob("*.json")}
