"""``lora-workbench report``: what is known of an adapter's training, as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .printing import say, say_json


def add_to(commands: Any) -> None:
    parser = commands.add_parser("report", help="write what is known of an adapter's training as one HTML file")
    parser.add_argument("file", type=Path, metavar="ADAPTER.safetensors")
    parser.add_argument("--dataset", metavar="FOLDER", help="the training pictures, for thumbnails")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the file to write, or its folder; by default beside the adapter, with its name",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR",
        help="the run store with its sample pictures, for ComfyUI its user/lora_workbench; by default that of the "
        "output folder that the adapter is in",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="what was written, as JSON")
    parser.set_defaults(command=report)


def report(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.files import load_adapter
    from ..engine.data.loading import load_dataset
    from ..engine.reports.saving import SUFFIX, save_report
    from ..engine.runs.inventory import existing_store
    from ..engine.runs.store import RunStore
    from ..nodes.host.headless import HeadlessHost

    host = HeadlessHost(_output_folder(arguments.file))
    adapter = load_adapter(arguments.file)
    dataset = load_dataset(host.dataset_path(arguments.dataset)) if arguments.dataset else None
    store = existing_store(arguments.root) if arguments.root else RunStore(host.store_root())
    wanted = arguments.output or arguments.file.with_suffix(SUFFIX)
    if wanted.is_dir():
        wanted /= arguments.file.with_suffix(SUFFIX).name
    saved = host.drive(save_report(adapter, store, wanted, dataset))
    if arguments.json:
        say_json({**saved.report(), "path": str(saved.path)})
        return 0
    say(saved)
    say(f"saved: {saved.path}")
    return 0


def _output_folder(file: Path) -> Path:
    """The folder above an adapter's file that has a run store; by default the one that runs take."""
    from ..nodes.host.headless import HeadlessHost

    found = (folder for folder in file.absolute().parents if HeadlessHost(folder).store_root().is_dir())
    return next(found, Path("output"))
