"""What gets installed: the list of packages, the dependencies, and a wheel that works by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CODE = ("agents", "cli", "engine", "headless", "nodes")
FOLDERS = (*CODE, "js", "locales", "workflows", "subgraphs", "assets")
"""What is installed beside ``__init__.py``."""


@pytest.fixture(scope="module")
def settings(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, unpacked: what pip puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in FOLDERS:
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "__main__.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), "./source"]
    subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


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


def test_wheel_imports_by_itself(wheel: Path, tmp_path: Path):
    code = "from lora_workbench import WEB_DIRECTORY as w; from lora_workbench.engine.core import storage as s"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; print(s.__file__, w)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.split() == [str(wheel / "lora_workbench" / "engine" / "core" / "storage.py"), "./js"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_wheel_holds_every_file(root: Path, wheel: Path, folder: str):
    def files(top: Path) -> set[str]:
        paths = [path.relative_to(top) for path in (top / folder).rglob("*") if path.is_file()]
        return {p.as_posix() for p in paths if "__pycache__" not in p.parts and p.parts[:2] != ("assets", "make")}

    assert files(wheel / "lora_workbench") == files(root)
