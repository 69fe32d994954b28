"""Code that runs in ComfyUI's own Python, with the extension loaded as ComfyUI loads it, and answers in JSON.

A test calls ``run_inside(script, …)``; the script defines actions and ends in ``main(actions)``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def run_inside(script: Path, action: str, *arguments: str | Path, folder: Path, timeout: float = 600) -> Any:
    """What an action of a script prints, run with ``folder`` for all of ComfyUI's files.

    ``COMFYUI_PATH`` names the checkout, ``COMFYUI_PYTHON`` the interpreter that has its requirements.
    """
    interpreter = os.environ.get("COMFYUI_PYTHON", sys.executable)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [interpreter, str(script), action, *map(str, arguments)],
        capture_output=True, text=True, cwd=folder, timeout=timeout, check=False,
        env=environment | {"PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def load_extension() -> Any:
    """Import the extension by its path, after ComfyUI's own modules, on the CPU."""
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    from comfy.cli_args import args

    args.cpu = True
    args.base_directory = str(Path.cwd())
    import folder_paths  # noqa: F401

    # As main.py does: ComfyUI's nodes.py puts comfy/ first on the path, which has a module of this package's name.
    import utils.install_util  # noqa: F401

    extension = HERE.parent
    spec = importlib.util.spec_from_file_location(
        "lora_workbench", extension / "__init__.py", submodule_search_locations=[str(extension)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lora_workbench"] = module
    spec.loader.exec_module(module)
    return module


def main(actions: Mapping[str, Callable[..., Any]]) -> None:
    """Load the extension, run the action named on the command line, and print what it gives as the last line."""
    load_extension()
    print(json.dumps(actions[sys.argv[1]](*sys.argv[2:])))
