"""The Dockerfile: linted, with everything that it needs in its context, and its command for ComfyUI in a real one.

It can't be built here, where there is no Docker.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from comfyui_server import free_port, started
from documented_commands import commands
from lora_workbench.nodes.native.seam import OLDEST
from test_packaging import FOLDERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = {"LICENSE", "README.md", "__init__.py", "__main__.py", "constraints.txt", "pyproject.toml", "requirements.txt"}
"""What a wheel, ComfyUI and the Dockerfile need beside the folders."""


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    """Without its comments, and each instruction in one line."""
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith("#")]
    return "".join(kept).replace("\\\n", "")


def test_hadolint_finds_nothing(root: Path):
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    assert hadolint
    done = subprocess.run([hadolint, str(root / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_its_context_is_what_is_installed(root: Path):
    lines = (root / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert {line.removeprefix("!/") for line in lines if line.startswith("!")} == {*FOLDERS, *FILES}
    rest = {line for line in lines if line and not line.startswith(("#", "!"))}
    assert rest == {"*", "/assets/make", "**/__pycache__"}


def test_what_it_names_is_there(root: Path, dockerfile: str):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras = re.search(r'"\$1\[(.+)\]"', dockerfile)
    assert extras and set(extras[1].split(",")) <= settings["project"]["optional-dependencies"].keys()
    assert "torch==" in (root / "constraints.txt").read_text(encoding="utf-8")
    version = re.search(r"ARG COMFYUI_VERSION=([\d.]+)", dockerfile)
    assert version and _numbers(version[1]) >= _numbers(OLDEST)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_nothing_runs_as_root(dockerfile: str):
    images = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
    started = [image for image in images if "\nENTRYPOINT" in image]
    assert len(started) == 2
    assert all(image.index("\nUSER 1000") < image.index("\nENTRYPOINT") for image in started)


def test_what_the_page_says_of_it(root: Path, dockerfile: str):
    stages = set(re.findall(r" AS (\w+)$", dockerfile, re.MULTILINE))
    arguments = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    page = (root / "docs" / "servers.md").read_text(encoding="utf-8")
    builds = [command for command in commands(root / "docs" / "servers.md") if command.words[:2] == ("docker", "build")]
    assert {target for command in builds for target in (command.after("--target") or ())[:1]} == {"comfyui"} <= stages
    assert set(re.findall(r"--build-arg (\w+)=", page)) <= arguments
    assert set(re.findall(r"ACCELERATOR=(\w+)", page + dockerfile)) == {"cpu", "cuda"} <= stages


@pytest.mark.comfyui
def test_its_command_starts_comfyui_with_the_nodes(root: Path, dockerfile: str, tmp_path: Path):
    """With the checkout in place of the image's, and an empty folder mounted as /data."""
    (line,) = (line for line in dockerfile.splitlines() if line.startswith("ENTRYPOINT") and "ComfyUI" in line)
    paths = re.search(r"printf '(.+)' > /opt/paths.yaml", dockerfile)
    assert paths
    extension = tmp_path / "opt" / "custom_nodes" / "lora-workbench"
    for name in (*FOLDERS, *FILES):
        (shutil.copytree if (root / name).is_dir() else shutil.copy)(root / name, extension / name)
    moved = {"/opt/ComfyUI": os.environ["COMFYUI_PATH"], "/opt": str(tmp_path / "opt"), "/data": str(tmp_path / "data")}

    def here(text: str) -> str:
        return re.sub("/opt/ComfyUI|/opt|/data", lambda found: moved[found[0]], text)

    (tmp_path / "opt" / "paths.yaml").write_text(here(paths[1].replace(r"\n", "\n")), encoding="utf-8")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [
        here(word).replace("exec python", f"exec {python}") for word in json.loads(line.removeprefix("ENTRYPOINT"))
    ]
    port = free_port()
    with started([*command, "--cpu", "--port", str(port)], port, tmp_path) as server:
        assert "LW_TrainLoRA" in server.get("/object_info/LW_TrainLoRA")
    assert (tmp_path / "data" / "user" / "comfyui.db").is_file()
