"""What gets installed: packages, dependencies, and what is in the wheel and in the archive for ComfyUI's registry."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import lora_workbench
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CODE = tuple(path.parent.name for path in Path(lora_workbench.__file__).parent.glob("*/__init__.py"))
FOLDERS = (*CODE, "js", "locales", "workflows", "subgraphs", "assets")
"""What is installed beside ``__init__.py``."""
READ = {"CHANGELOG.md", "LICENSE", "README.md", "SKILL.md", "pyproject.toml", "requirements.txt"}
"""What the archive has beside that, for people, installers and the registry."""

LARGEST = 20_000_000
"""Bytes of the wheel and of the archive. Everybody who installs or updates downloads them. Two thirds are the weights
of the demo base, which can't be packed any smaller; PyPI's own limit is 100 MB."""
LARGEST_FILE = 1_000_000
WEIGHTS = {
    f"assets/demo_base/{part}.safetensors"
    for part in ("text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model")
}
"""The only files that may be larger."""

OUR_VERSION = re.compile(r'"cnr_id": "lora-workbench",\s+"ver": "([^"]+)"')


@pytest.fixture(scope="module")
def settings(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked: what pip puts into site-packages."""
    return _unpacked(wheel, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def node_folder(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive unpacked: what comfy-cli and ComfyUI-Manager put into ``custom_nodes``."""
    return _unpacked(archive, tmp_path_factory.mktemp("node"))


def _unpacked(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def _files(top: Path) -> set[str]:
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


def test_every_package_is_listed(root: Path, settings: dict):
    inits = [path for top in CODE for path in (root / top).rglob("__init__.py")]
    there = {".".join(["lora_workbench", *path.relative_to(root).parts[:-1]]) for path in inits}
    assert set(settings["tool"]["setuptools"]["packages"]) == there | {"lora_workbench"}


def test_every_folder_with_code_is_a_package(root: Path):
    folders = {path.parent for top in CODE for path in (root / top).rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_requirements_repeat_the_dependencies(root: Path, settings: dict):
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == settings["project"]["dependencies"]


def test_installing_the_extension_cannot_replace_torch(settings: dict):
    assert not [name for name in settings["project"]["dependencies"] if name.startswith("torch")]
    named = [name.partition(";")[0] for name in settings["project"]["dependencies"]]
    pins = [name for name in named if "==" in name or "<" in name]
    assert not pins, "an upper bound could make an installer take back what ComfyUI has"


def test_wheel_imports_by_itself(site: Path, tmp_path: Path):
    code = "from lora_workbench import WEB_DIRECTORY as w; from lora_workbench.engine.core import storage as s"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; print(s.__file__, w)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.split() == [str(site / "lora_workbench" / "engine" / "core" / "storage.py"), "./js"]


@pytest.fixture
def needed(root: Path) -> set[str]:
    """The files that the extension needs wherever it is installed: all in its folders but how assets were made."""
    paths = [f"{folder}/{name}" for folder in FOLDERS for name in _files(root / folder)]
    return {"__init__.py", "__main__.py", *paths} - {
        path for path in paths if "/__pycache__/" in path or path.startswith("assets/make/")
    }


def test_wheel_holds_what_is_needed_and_nothing_else(site: Path, needed: set[str], settings: dict):
    assert _files(site / "lora_workbench") == needed
    name = f"lora_workbench-{settings['project']['version']}.dist-info"
    assert {path.name for path in site.iterdir()} == {"lora_workbench", name}
    assert _files(site / name / "licenses") == {"LICENSE", "assets/SOURCES.md"}


def test_archive_holds_what_is_needed_and_nothing_else(node_folder: Path, needed: set[str]):
    assert _files(node_folder) == needed | READ


@pytest.mark.parametrize("built", ["wheel", "archive"])
def test_it_is_small(built: str, request: pytest.FixtureRequest):
    path: Path = request.getfixturevalue(built)
    assert path.stat().st_size < LARGEST
    with zipfile.ZipFile(path) as archive:
        large = {Path(each.filename).as_posix() for each in archive.infolist() if each.file_size > LARGEST_FILE}
    assert {name.removeprefix("lora_workbench/") for name in large} == WEIGHTS


@pytest.mark.parametrize("built", ["site", "node_folder"])
def test_it_has_the_licenses_of_what_is_in_it(built: str, request: pytest.FixtureRequest):
    folder: Path = request.getfixturevalue(built)
    texts = [path.read_text("utf-8") for name in ("LICENSE", "SOURCES.md") for path in folder.rglob(name)]
    for words in ("Apache License", "CC-BY\n  4.0", "Permission is hereby granted, free of charge", "© 2021 OpenAI"):
        assert any(words in text for text in texts), words


def test_sources_are_told_of_every_folder_of_assets(root: Path):
    told = (root / "assets" / "SOURCES.md").read_text("utf-8")
    folders = [path for top in ("assets", "assets/datasets") for path in (root / top).iterdir() if path.is_dir()]
    named = {path.name for path in folders if re.search(rf"[`/]{path.name}`", told)}
    assert {path.name for path in folders} - named == {"make", "datasets"}


def test_workflows_name_this_version(root: Path, settings: dict):
    """ComfyUI-Manager installs the version that a workflow names where the extension is missing."""
    files = [*(root / "workflows").glob("*.json"), *(root / "subgraphs").glob("*.json")]
    named = {path.name: set(OUR_VERSION.findall(path.read_text("utf-8"))) for path in files}
    assert {name: versions for name, versions in named.items() if versions != {settings["project"]["version"]}} == {}
