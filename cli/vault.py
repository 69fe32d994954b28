"""The commands of ``lora-workbench adapters`` on the vault: list, search, inspect, note, pin and export."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .printing import complain, say, say_json

if TYPE_CHECKING:
    from ..engine.vault.card import Card
    from ..nodes.host.headless import HeadlessHost

_LONGEST = 200
"""Characters of a value that are printed without ``--json``."""


def add_to(actions: Any) -> None:
    listing = actions.add_parser("list", help="list the adapters in an output folder, and in other folders")
    _add_places(listing)
    listing.set_defaults(command=list_)
    searching = actions.add_parser(
        "search", help="find adapters by words in name, trigger words, base model, family and notes, and by filters"
    )
    searching.add_argument(
        "words", nargs="+", metavar="WORDS", help="such as: fox family:sdxl rank:8-32 kind:lora trigger:ohwx"
    )
    _add_places(searching)
    searching.set_defaults(command=search)
    inspection = actions.add_parser("inspect", help="show what an adapter file holds, and how much it changes")
    inspection.add_argument("file", type=Path, metavar="FILE")
    inspection.add_argument("--base", default="", metavar="BASE", help="base model, for norms beside its weights'")
    inspection.add_argument("--json", action="store_true", help="as JSON, with all metadata in full")
    inspection.set_defaults(command=inspect)
    noting = actions.add_parser("note", help="keep notes, weight, trigger words and prompts beside an adapter file")
    noting.add_argument("file", type=Path, metavar="FILE")
    noting.add_argument("text", nargs="?", metavar="TEXT", help="notes, in place of those before")
    noting.add_argument("--weight", type=float, help="recommended weight")
    noting.add_argument(
        "--trigger", action="append", default=[], metavar="WORDS", help="trigger words; may be repeated"
    )
    noting.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="sample prompt; may be repeated")
    noting.set_defaults(command=note, refuse=noting.error)
    for action, about in (("pin", "pin an adapter: agents get a tool for it"), ("unpin", "take the pin off again")):
        pinning = actions.add_parser(action, help=about)
        pinning.add_argument("name", metavar="NAME", help="as in the list; folders and suffix may be left out")
        _add_places(pinning)
        pinning.set_defaults(command=pin, pinned=action == "pin")
    exporting = actions.add_parser(
        "export",
        help="copy an adapter file with its preview, a card for Civitai and programs, and one for people",
    )
    exporting.add_argument("file", type=Path, metavar="FILE")
    exporting.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    exporting.add_argument(
        "--private",
        action="store_true",
        help="leave captions, names of pictures and workflows out of the header",
    )
    exporting.add_argument("--json", action="store_true", help="as JSON")
    exporting.set_defaults(command=export)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder of the runs")
    parser.add_argument(
        "--folder", type=Path, action="append", default=[], metavar="DIR",
        help="a further folder of adapters, such as ComfyUI's models/loras; may be repeated",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="as JSON")


class _Library(NamedTuple):
    """The adapters that a command is about."""

    host: HeadlessHost
    files: list[tuple[str, Path]]
    """Name and path of each."""
    index: Path
    """The index of just these folders."""


def list_(arguments: argparse.Namespace) -> int:
    return _show(arguments, "")


def search(arguments: argparse.Namespace) -> int:
    return _show(arguments, " ".join(arguments.words))


def inspect(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.describing import described
    from ..engine.adapters.files import load_adapter
    from ..engine.models.registry import load_base
    from ..engine.vault.measuring import measure
    from ..nodes.host.headless import HeadlessHost

    host = HeadlessHost(silent=arguments.json)
    adapter = load_adapter(arguments.file)
    base = load_base(host.base_path(arguments.base), device="cpu") if arguments.base else None
    measures = host.drive(measure(adapter, base))
    card = _card(arguments.file)
    facts = described(adapter)
    metadata = facts.pop("metadata")
    facts |= {"triggers": [*card.triggers], "weight": card.weight, "base": card.base, "remarks": [*card.remarks]}
    if arguments.json:
        say_json({**facts, "metadata": metadata, "spectrum": measures.report()})
        return 0
    for name, value in (facts | metadata).items():
        text = str(value)
        say(f"{name}: {text[:_LONGEST]}{' …' if len(text) > _LONGEST else ''}")
    say(f"\n{measures}")
    return 0


def note(arguments: argparse.Namespace) -> int:
    from ..engine.vault.notes import write_notes

    if arguments.text is None and arguments.weight is None and not (arguments.trigger or arguments.prompt):
        arguments.refuse("say what to note: TEXT, --weight, --trigger or --prompt")
    say(
        write_notes(
            arguments.file, notes=arguments.text, weight=arguments.weight, triggers=arguments.trigger,
            prompts=arguments.prompt,
        )
    )  # fmt: skip
    return 0


def pin(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.finding import find
    from ..engine.vault.notes import write_notes

    files = dict(_library(arguments).files)
    name = find(arguments.name, [*files])
    write_notes(files[name], pinned=arguments.pinned)
    if arguments.json:
        say_json({"name": name, "pinned": arguments.pinned})
    else:
        say(f"{name} is {'pinned' if arguments.pinned else 'not pinned any more'}.")
    return 0


def export(arguments: argparse.Namespace) -> int:
    from ..engine.vault import exporting
    from ..engine.vault.sidecars import Folders

    card, beside = _card(arguments.file), Folders().beside(arguments.file)
    exported = exporting.export(arguments.file, card, beside, arguments.output, without_data=arguments.private)
    if arguments.json:
        files = [str(file) for file in exported.files]
        say_json({"files": files, "hashes": exported.hashes, "missing": [*exported.missing]})
        return 0
    for file in exported.files:
        say(file)
    for name, value in exported.hashes.items():
        say(f"{name}: {value}")
    for sentence in exported.missing:
        complain(sentence)
    return 0


def _show(arguments: argparse.Namespace, asked: str) -> int:
    from ..engine.vault.index import opened
    from ..engine.vault.searching import Query

    query, library = Query.of(asked), _library(arguments)
    with opened(library.index) as index:
        library.host.drive(index.refresh(library.files))
        cards = index.search(query) if asked else index.cards()
        if index.note:
            complain(index.note)
    if arguments.json:
        say_json([card.facts() for card in cards])
        return 0
    for card in cards:
        say(_line(card))
    if not cards:
        folders = ", ".join(map(str, [library.host.adapter_directory(), *arguments.folder]))
        complain(f"No adapters in {folders}{f' that fit {asked}' if asked else ''}.")
    return 0


def _library(arguments: argparse.Namespace) -> _Library:
    """The adapters of the output folder, then those of the others that have other names."""
    from ..engine.core.hashing import value_hash
    from ..engine.vault.folders import adapters_below
    from ..nodes.host.headless import HeadlessHost

    host = HeadlessHost(arguments.output)
    files = {name: host.adapter_path(name) for name in host.adapter_files()}
    for folder in arguments.folder:
        files = {**dict(adapters_below(folder)), **files}
    index = host.vault_file()
    if arguments.folder:
        index = index.with_name(f"{value_hash([str(folder.absolute()) for folder in arguments.folder])[:16]}.sqlite")
    return _Library(host, [*files.items()], index)


def _card(file: Path) -> Card:
    from ..engine.vault.reading import read_card
    from ..engine.vault.sidecars import Folders

    return read_card(file.name, file, Folders().beside(file))


def _line(card: Card) -> str:
    pinned = "  pinned" if card.pinned else ""
    kind = "unreadable" if card.problem else f"{card.family or '?'} {' '.join(card.kinds)} {card.rank or ''}".strip()
    return f"{card.bytes / 1e6:8.1f} MB  {card.name}  [{kind}]  {'; '.join(card.triggers)}".rstrip() + pinned
