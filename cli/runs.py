"""``lora-workbench runs``: the trainings in a run store with their verdicts, their reports, and what one in progress is
asked for: to stop, to draw its samples now, to save a snapshot."""

from __future__ import annotations

import argparse
import webbrowser
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .printing import complain, say, say_json
from .store import PLACE, add_place_to, store_of, time_of

if TYPE_CHECKING:
    from ..engine.runs.listing import ListedRun
    from ..engine.runs.store import Wanted


def add_to(commands: Any) -> None:
    parser = commands.add_parser("runs", help="list trainings with their verdicts, open the report of one, or stop one")
    add_place_to(parser)
    parser.set_defaults(command=list_, **PLACE)
    actions = parser.add_subparsers(metavar="ACTION")
    shown = actions.add_parser("show", help="what is known of a run, its verdict, and the snapshots that it has kept")
    opened = actions.add_parser("open", help="write the report of a run, and open it in the browser")
    opened.add_argument("--dataset", metavar="FOLDER", help="the training pictures, for thumbnails")
    exported = actions.add_parser("events", help="write the TensorBoard events of a run")
    exported.add_argument("--to", type=Path, metavar="DIR", required=True, help="where it gets a folder of its name")
    stopped = actions.add_parser("stop", help="stop a run after its current step; its graph goes on with the adapter")
    drawn = actions.add_parser("sample", help="let a run draw its sample pictures after its current step")
    saved = actions.add_parser("snapshot", help="let a run save one more snapshot after its current step")
    about_it = ((shown, show), (opened, open_), (exported, events))
    asked_for = ((stopped, stop), (drawn, sample), (saved, snapshot))
    for action, command in (*about_it, *asked_for):
        add_place_to(action)
        action.add_argument("run", metavar="RUN", help="its name, or the begin of its number")
        action.set_defaults(command=command)


def list_(arguments: argparse.Namespace) -> int:
    from ..engine.runs.listing import listed_runs

    runs = listed_runs(store_of(arguments))
    if arguments.json:
        say_json([_plain(run) for run in runs])
        return 0
    for line in _table(runs):
        say(line)
    return 0


def show(arguments: argparse.Namespace) -> int:
    from ..engine.runs.listing import find_runs

    runs = find_runs(store_of(arguments), arguments.run)
    if arguments.json:
        say_json([_plain(run) for run in runs])
        return 0
    say("\n\n".join("\n".join(_lines(run)) for run in runs))
    return 0


def open_(arguments: argparse.Namespace) -> int:
    """Write the report of a run into its folder, and open it; with ``--json``, only tell where it is."""
    from ..engine.adapters.files import load_adapter
    from ..engine.data.loading import load_dataset
    from ..engine.reports.saving import renew_report
    from ..engine.runs.listing import find_runs
    from ..nodes.host.headless import HeadlessHost

    store, host = store_of(arguments), HeadlessHost(arguments.output)
    runs = find_runs(store, arguments.run)
    run = next((run for run in runs if run.latest), None)
    if run is None or run.latest is None:
        return _refused(f"{runs[0].name or runs[0].short} has no adapter yet to report.", arguments.json)
    dataset = load_dataset(host.dataset_path(arguments.dataset)) if arguments.dataset else None
    path = store.report(run.lineage, run.steps)
    saved = host.drive(renew_report(load_adapter(run.latest), store, path, dataset))
    if arguments.json:
        say_json({**saved.report(), "path": str(path)})
        return 0
    say(saved)
    say(path if webbrowser.open(path.absolute().as_uri()) else f"open it in a browser: {path}")
    return 0


def events(arguments: argparse.Namespace) -> int:
    from ..engine.core.file_names import usable
    from ..engine.runs.listing import find_runs
    from ..engine.runs.recording import export_events

    store = store_of(arguments)
    folders = []
    for run in find_runs(store, arguments.run):
        folder = arguments.to / usable(f"{run.name or 'run'}-{run.steps}-{run.short}")
        export_events(run, store, folder)
        folders.append(str(folder))
    if arguments.json:
        say_json({"status": "ok", "folders": folders})
    else:
        say("\n".join([*folders, f"to see them: tensorboard --logdir {arguments.to}"]))
    return 0


def stop(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "stop", "stops after its current step; run its graph again to train on.")


def sample(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "sample", "draws its sample pictures after its current step.")


def snapshot(arguments: argparse.Namespace) -> int:
    return _ask(arguments, "snapshot", "saves a snapshot after its current step.")


def _ask(arguments: argparse.Namespace, wanted: Wanted, told: str) -> int:
    """Ask a run in progress for something."""
    from ..engine.runs.listing import find_runs
    from ..engine.runs.requests import ask

    store = store_of(arguments)
    runs = find_runs(store, arguments.run)
    running = next((run for run in runs if run.progress == "running"), None)
    if running is None or not ask(store, running.lineage, running.steps, wanted):
        return _refused(f"{runs[0].name or runs[0].short} isn't in progress: it is {runs[0].progress}.", arguments.json)
    if arguments.json:
        say_json({"status": "ok", **_plain(running)})
    else:
        say(f"{running.name or running.short} {told}")
    return 0


def _refused(problem: str, as_json: bool) -> int:
    complain(problem)
    if as_json:
        say_json({"status": "error", "error": problem})
    return 1


def _plain(run: ListedRun) -> dict[str, Any]:
    return asdict(run) | {"used": time_of(run.used), "latest": run.latest and str(run.latest)}


def _table(runs: Iterable[ListedRun]) -> list[str]:
    rows = [
        (
            run.short,
            run.name or "?",
            run.base or run.family or "?",
            run.dataset or "?",
            f"{run.done}/{run.steps}",
            run.progress,
            str(len(run.snapshots)),
            f"{run.bytes / 1e6:.1f} MB",
            time_of(run.used),
            run.verdict.in_short() if run.verdict else "",
        )
        for run in runs
    ]
    titles = ("run", "name", "base model", "data set", "steps", "state", "snapshots", "size", "used", "verdict")
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (titles, *rows)]


def _lines(run: ListedRun) -> list[str]:
    """What is known of a run, a fact a line."""
    facts = {
        "run": run.lineage,
        "name": run.name,
        "base model": ", ".join(filter(None, [run.base, run.family])),
        "data set": run.dataset,
        "steps": f"{run.done} of {run.steps}, {run.progress}",
        "ended": run.ended_early,
        "verdict": str(run.verdict or ""),
        "loss": f"{run.losses[0]:.4g} to {run.losses[1]:.4g}" if run.losses else "",
        "snapshots": ", ".join(map(str, run.snapshots)) or "none",
        "size": f"{run.bytes / 1e6:.1f} MB",
        "used": time_of(run.used),
    }
    return [f"{title:<11} {fact}" for title, fact in facts.items() if fact]
