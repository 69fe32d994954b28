"""Renew ``locales/``: English from the nodes and scripts; other languages keep what still translates it.

``nodeDefs.json`` has the names, descriptions and tooltips of the nodes, ``main.json`` the texts of the scripts and the
categories of nodes, ``commands.json`` the commands. A translation whose English text has changed is dropped, unless the
new text is translated elsewhere in the file; what is left to translate is printed. See docs/translating.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lora_workbench
from lora_workbench.engine.core.fields import settings_of
from lora_workbench.engine.training.recipe import GROUPS
from lora_workbench.engine.training.resolved import BY_BASE, BY_DATASET, CHOSEN, DEFAULT, no_effect
from lora_workbench.nodes import NODES
from lora_workbench.nodes.kit.settings import about

ROOT = Path(lora_workbench.__file__).parent
FOLDER = ROOT / "locales"
SCRIPTS = ROOT / "js"
SOURCE = "en"
SECTION = "loraWorkbench"
"""Of main.json, with the texts of the scripts; js/kit/texts.js looks there."""

_TEXT = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)*)"')
_COMMAND = re.compile(r'\{ id: "([\w.]+)", label: "((?:[^"\\]|\\.)*)"')
_SYNTAX = re.compile(r"[{}@|]")

Tree = dict[str, Any]


def english() -> dict[str, Tree]:
    """The English texts by file name, as the nodes and scripts have them now."""
    return {"nodeDefs.json": node_texts(), "main.json": main_texts(), "commands.json": command_texts()}


def node_texts() -> Tree:
    """Names, descriptions and tooltips of all nodes, as the front end looks them up."""
    described = {node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in NODES}
    return {name: _node(info) for name, info in described.items()}


def _node(info: Tree) -> Tree:
    given = {name: spec for part in ("required", "optional") for name, spec in info["input"].get(part, {}).items()}
    inputs = {name.replace(".", "_"): _input(name, spec) for name, spec in given.items()}
    tooltips = info["output_tooltips"] or [None] * len(info["output_name"])
    named = zip(info["output_name"], tooltips, strict=True)
    outputs = {str(at): _named(name, tooltip) for at, (name, tooltip) in enumerate(named)}
    texts = {"display_name": literal(info["display_name"]), "description": literal(info["description"])}
    return texts | {"inputs": inputs, "outputs": outputs}


def _input(name: str, spec: tuple) -> Tree:
    options = spec[1] if len(spec) > 1 else {}
    return _named(options.get("display_name") or name, options.get("tooltip"))


def _named(name: str, tooltip: str | None) -> Tree:
    # The front end shows tooltips as they are; all others go through vue-i18n's syntax.
    return {"name": literal(name)} | ({"tooltip": tooltip} if tooltip else {})


def literal(text: str) -> str:
    """A text for vue-i18n that is shown as it is."""
    return _SYNTAX.sub(lambda found: f"{{'{found.group()}'}}", text)


def main_texts() -> Tree:
    """The texts of the scripts, and the names of the nodes' categories."""
    scripts = [path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.js"))]
    texts = [json.loads(f'"{text}"') for script in scripts for text in _TEXT.findall(script)]
    texts += form_texts()
    categories = {part: None for node in NODES for part in node.GET_SCHEMA().category.split("/")}
    return {SECTION: {text: text for text in texts}, "nodeCategories": {part: part for part in categories}}


def form_texts() -> Iterator[str]:
    """What the server tells the form of a recipe in fixed words, which js/recipe/ translates. Its names of settings and
    their tooltips are those of the nodes."""
    yield from (DEFAULT, CHOSEN, BY_BASE, BY_DATASET)
    for group in GROUPS.values():
        yield from (group.title, about(group))
        for declared in settings_of(group).values():
            yield from filter(None, (declared.unit, declared.unused and no_effect(declared)))


def command_texts() -> Tree:
    """The commands' labels, by their ids as the front end writes them."""
    scripts = [path.read_text(encoding="utf-8") for path in sorted(SCRIPTS.rglob("*.js"))]
    found = [command for script in scripts for command in _COMMAND.findall(script)]
    return {name.replace(".", "_"): {"label": json.loads(f'"{label}"')} for name, label in found}


def leaves(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text with the keys that lead to it."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def renewed(new: Tree, old: Tree, told: Tree) -> tuple[Tree, list[str]]:
    """A translation brought up to date.

    Args:
        new: English texts as they are now.
        old: those that were translated.
        told: their translation.

    Returns:
        The translation of what is known of ``new``, in its order, and the texts that are left to translate.
    """
    before, translated = dict(leaves(old)), dict(leaves(told))
    elsewhere = {text: translated[path] for path, text in before.items() if path in translated}
    result: Tree = {}
    missing = []
    for path, text in leaves(new):
        same = before.get(path) == text and path in translated
        known = translated[path] if same else elsewhere.get(text)
        if known is None:
            missing.append(f"{'.'.join(path)}: {text}")
            continue
        place = result
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = known
    return result, missing


def read(language: str, name: str) -> Tree:
    path = FOLDER / language / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write(language: str, name: str, texts: Tree) -> None:
    path = FOLDER / language / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(texts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    languages = sorted(path.name for path in FOLDER.iterdir() if path.name != SOURCE)
    for name, texts in english().items():
        old = read(SOURCE, name)
        for language in languages:
            result, missing = renewed(texts, old, read(language, name))
            write(language, name, result)
            for line in missing:
                print(f"{language}/{name}: {line}")
        write(SOURCE, name, texts)


if __name__ == "__main__":
    main()
