"""Front ends from PyPI: which ones we are tested with, and where their files are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PINNED = "1.49.6"
"""The front end that ComfyUI 0.33.0 requires."""
NEWEST = "1.58.1"
RENDERERS = {"canvas": False, "vue": True}
"""Whether nodes are made of Vue components."""
READY = "window.app?.rootGraph && 'LW_TrainLoRA' in (window.LiteGraph?.registered_node_types ?? {})"


class NotInstalledError(Exception):
    """PyPI can't be reached, or doesn't have it."""


def front_end_package(version: str) -> Path:
    """Folder of a front end's static files, installed from PyPI once, beside the packages of this Python.

    A file that marks it as whole is written last; several processes may install at once, each in its own folder.

    Raises:
        NotInstalledError: it can't be installed.
    """
    place = Path(sys.prefix) / "front_ends" / version
    if not (place / "whole").is_file():
        own = place.with_name(f"{version}.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        wanted = f"comfyui-frontend-package=={version}"
        told = subprocess.run([*command, "--target", str(own), wanted], capture_output=True, text=True, check=False)
        if told.returncode:
            shutil.rmtree(own, ignore_errors=True)
            raise NotInstalledError(f"{wanted} can't be installed: {told.stderr.strip().splitlines()[-1:]}")
        (own / "whole").touch()
        try:
            own.rename(place)
        except OSError:  # another process was faster
            shutil.rmtree(own, ignore_errors=True)
    return place / "comfyui_frontend_package" / "static"


def user_settings(renderer: str) -> dict[str, object]:
    """Settings of a user who has seen ComfyUI before."""
    return {
        "Comfy.VueNodes.Enabled": RENDERERS[renderer],
        "Comfy.TutorialCompleted": True,
        "Comfy.InstalledVersion": "99.0.0",
    }
