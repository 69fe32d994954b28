"""What people get: the wheel, and the archive for ComfyUI's registry, built as a release is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GIT = ("git", "-c", "core.autocrlf=false", "-c", "init.defaultBranch=main")


def copy_of(root: Path, folder: Path) -> Path:
    """A git repository with the project's files: those that git has, and new ones that it would take.

    Skips the test where the project isn't in a git repository.
    """
    listing = [*GIT, "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("the project isn't in a git repository, which says what a release holds")
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    for step in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run([*GIT, "-C", str(folder), *step], check=True)
    return folder


def build_wheel(tree: Path, folder: Path) -> Path:
    """The wheel of a tree, made with the setuptools that is installed here."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(tree)], cwd=folder, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def pack_archive(tree: Path) -> Path:
    """The archive that comfy-cli would send to ComfyUI's registry."""
    command = [sys.executable, "-m", "comfy_cli", "--skip-prompt", "node", "pack"]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, env={**os.environ, "DO_NOT_TRACK": "1"})
    return tree / "node.zip"
