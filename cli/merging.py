"""``lora-workbench adapters merge|resize|difference|convert|bake``: adapters made of others."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .printing import say, say_json

if TYPE_CHECKING:
    from ..engine.adapters.adapter import Adapter
    from ..engine.adapters.merges.merging import Merged
    from ..engine.adapters.stack import Stack
    from ..engine.models.contract import Backbone
    from ..nodes.host.headless import HeadlessHost

METHODS = ("exact", "svd", "ties", "dare", "dare_ties", "magnitude")
DEFAULTS = {"rank": 32, "energy": 1.0, "density": 0.5, "drop": 0.5, "seed": 0}
_HIGHEST = 1024
_WEIGHTED = "FILE[=WEIGHT[,TEXT_ENCODER_WEIGHT]]"


def add_to(actions: Any) -> None:
    """Add the parsers of these actions to those of ``adapters``."""
    _merge_parser(actions)
    _resize_parser(actions)
    _difference_parser(actions)
    _convert_parser(actions)
    _bake_parser(actions)


def _merge_parser(actions: Any) -> None:
    parser = actions.add_parser("merge", help="make one adapter of several")
    parser.add_argument(
        "files", nargs="+", type=weighted, metavar=_WEIGHTED, help="adapters with weights, such as fox.safetensors=0.8"
    )
    parser.add_argument("--method", choices=METHODS, default="exact", help="how (exact)")
    parser.add_argument("--rank", type=_rank, help=f"of each layer at most ({DEFAULTS['rank']})")
    parser.add_argument("--energy", type=float, help="share of each layer's change that is enough (1)")
    parser.add_argument("--density", type=float, help="ties, magnitude: share of values that stay (0.5)")
    parser.add_argument("--drop", type=float, help="dare: probability that a value is dropped (0.5)")
    parser.add_argument("--seed", type=int, help="dare: of what is dropped (0)")
    _common(parser, name="those of all adapters")
    parser.set_defaults(command=merge)


def _resize_parser(actions: Any) -> None:
    parser = actions.add_parser("resize", help="give an adapter another rank")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--rank", type=_rank, default=16, help="of each layer at most (16)")
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument("--energy", type=float, help="as many ranks as keep this share of a layer's squared norm")
    rules.add_argument("--sv-fro", type=float, help="as many as keep this share of a layer's norm, as in sd-scripts")
    rules.add_argument(
        "--sv-ratio", type=float, help="singular values of at least the largest divided by this, as in sd-scripts"
    )
    _common(parser, name="the adapter's, with its rank")
    parser.set_defaults(command=resize)


def _difference_parser(actions: Any) -> None:
    parser = actions.add_parser("difference", help="take one adapter off another")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("less", type=_once_weighted, metavar="LESS[=WEIGHT]", help="what is subtracted")
    parser.add_argument("--rank", type=_rank, help="of each layer at most; without it, exactly the difference")
    _common(parser, name="both names")
    parser.set_defaults(command=difference)


def _convert_parser(actions: Any) -> None:
    parser = actions.add_parser("convert", help="give an adapter other names of layers, or another form")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument(
        "--names",
        choices=("as it is", "kohya", "diffusers", "ComfyUI"),
        default="as it is",
        help="of layers (as it is)",
    )
    parser.add_argument(
        "--form", choices=("as it is", "ComfyUI", "other programs", "plain LoRA"), default="as it is",
        help="of the weights (as it is)",
    )  # fmt: skip
    parser.add_argument("--rank", type=_rank, help="of layers that become a plain LoRA, at most (64)")
    _common(parser, name="the adapter's", dtypes=("auto", "float16", "float32"))
    parser.set_defaults(command=convert)


def _bake_parser(actions: Any) -> None:
    parser = actions.add_parser("bake", help="put adapters into the weights of a base model, and save it")
    parser.add_argument("base", metavar="BASE", help="base model: a folder or checkpoint")
    parser.add_argument("files", nargs="+", type=weighted, metavar=_WEIGHTED, help="adapters with weights")
    parser.add_argument("--format", choices=("checkpoint", "folder"), default="checkpoint", help="(checkpoint)")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16", help="(float16)")
    parser.add_argument("--name", default="", help="of the model; by default those of base model and adapters")
    _output(parser)
    parser.set_defaults(command=bake)


def _common(parser: Any, *, name: str, dtypes: Sequence[str] = ("float16", "float32")) -> None:
    parser.add_argument("--name", default="", help=f"of the adapter; by default {name}")
    parser.add_argument("--base", default="", help="base model that the adapters are for: a folder or checkpoint")
    parser.add_argument("--dtype", choices=dtypes, default=dtypes[0], help=f"of the saved weights ({dtypes[0]})")
    _output(parser)


def _output(parser: Any) -> None:
    parser.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="output folder")
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def merge(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.extraction import Wanted
    from ..engine.adapters.merges.merging import Merge, merged
    from ..engine.adapters.merges.methods import METHODS as KNOWN
    from ..engine.adapters.merges.methods import Thinning

    _refuse_unused(arguments, KNOWN[arguments.method].uses, f"the method {arguments.method}")
    own = {
        name: default if (given := getattr(arguments, name)) is None else given for name, default in DEFAULTS.items()
    }
    thinning = Thinning(density=own["density"], drop=own["drop"], seed=own["seed"])  # type: ignore[arg-type]
    how = Merge(method=arguments.method, wanted=Wanted(own["rank"], own["energy"]), thinning=thinning)  # type: ignore[arg-type]
    host = _host(arguments)
    stack = _stack(host, arguments.files)
    name = arguments.name or " + ".join(entry.adapter.name for entry in stack.active())
    return _kept(host, arguments, host.drive(merged(stack, how, name=name, base=_base(host, arguments))))


def resize(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.merges.resizing import Rule, Size, resized

    host = _host(arguments)
    adapter = _adapter(host, arguments.file)
    thresholds: dict[Rule, float | None] = {rule: getattr(arguments, rule) for rule in ("energy", "sv_fro", "sv_ratio")}
    size = Size(rank=arguments.rank)
    for rule, threshold in thresholds.items():
        if threshold is not None:
            size = Size(rank=arguments.rank, rule=rule, threshold=threshold)
    name = arguments.name or f"{adapter.name}_rank{arguments.rank}"
    return _kept(host, arguments, host.drive(resized(adapter, size, name=name, base=_base(host, arguments))))


def difference(arguments: argparse.Namespace) -> int:
    from ..engine.adapters.extraction import Wanted
    from ..engine.adapters.merges.merging import Merge
    from ..engine.adapters.merges.resizing import difference as difference_of

    host = _host(arguments)
    file, weight, _ = arguments.less
    adapter, less = _adapter(host, arguments.file), _adapter(host, file)
    how = Merge(method="svd", wanted=Wanted(arguments.rank)) if arguments.rank else Merge()
    name = arguments.name or f"{adapter.name} - {less.name}"
    made = difference_of(adapter, less, how, weight=weight, name=name, base=_base(host, arguments))
    return _kept(host, arguments, host.drive(made))


def convert(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from ..engine.adapters.converting import converted, remarks
    from ..engine.adapters.keeping import exact_dtype, keep
    from ..engine.adapters.renaming import renamed, unread
    from ..nodes.kit.files import new_file

    if arguments.form != "plain LoRA":
        _refuse_unused(arguments, (), f"the form {arguments.form}", ("rank",))
    host = _host(arguments)
    adapter, base = _adapter(host, arguments.file), _base(host, arguments)
    made = host.drive(converted(adapter, arguments.form, base=base, rank=arguments.rank or 64))
    name = arguments.name or adapter.name
    found = replace(renamed(made.adapter, arguments.names, base), name=name)
    dtype = exact_dtype(found) if arguments.dtype == "auto" else arguments.dtype
    kept = keep(found, new_file(host.adapter_directory(), name), dtype=dtype)
    notes = [*filter(None, [str(made), unread(found, arguments.names)]), *remarks(found)]
    return _told(
        arguments, notes, {"name": name, "dtype": dtype, "notes": notes} | made.report(), kept.path, kept.written
    )


def bake(arguments: argparse.Namespace) -> int:
    from ..engine.checkpoints.baking import baked
    from ..engine.checkpoints.saving import save_checkpoint, save_folder, unusual
    from ..engine.models.registry import load_base
    from ..nodes.kit.files import new_file

    host = _host(arguments)
    base = load_base(host.base_path(arguments.base), device="cpu", precision="fp32")
    stack = _stack(host, arguments.files)
    name = arguments.name or " + ".join([base.info.name, *(entry.adapter.name for entry in stack.active())])
    made = baked(base, stack, name=name)
    if arguments.format == "checkpoint":
        file = new_file(host.checkpoint_directory(), name)
        path = save_checkpoint(made, file.with_name(f"{file.name}.safetensors"), dtype=arguments.dtype, name=name)
        notes = [*unusual(made)]
    else:
        path, notes = save_folder(made, new_file(host.diffusers_directory(), name), dtype=arguments.dtype), []
    parts = [f"{entry.adapter.name}: weight {entry.weight:g}" for entry in stack.active()]
    report = {"name": name, "parts": parts, "triggers": list(stack.triggers()), "notes": notes}
    return _told(arguments, [*parts, *notes], report, path, written=True)


def weighted(text: str) -> tuple[str, float, float]:
    """``FILE``, ``FILE=0.8`` or ``FILE=0.8,0.5`` as file, weight and text encoder weight, which is the same by default.

    What isn't followed by numbers belongs to the file's name.
    """
    file, found, numbers = text.rpartition("=")
    try:
        weights = [float(number) for number in numbers.split(",")]
    except ValueError:
        return text, 1.0, 1.0
    if not found or not file:
        return text, 1.0, 1.0
    if len(weights) > 2 or not all(map(isfinite, weights)):
        raise argparse.ArgumentTypeError(f"expected one or two finite weights after =, got {numbers!r}")
    return file, weights[0], weights[-1]


def _once_weighted(text: str) -> tuple[str, float, float]:
    found = weighted(text)
    if found[1] != found[2]:
        raise argparse.ArgumentTypeError(f"expected one weight after =, got {text!r}")
    return found


def _rank(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_HIGHEST}, got {text!r}")
    return int(text)


def _refuse_unused(
    arguments: argparse.Namespace, used: Sequence[str], chosen: str, options: Sequence[str] = tuple(DEFAULTS)
) -> None:
    """Refuse options that were given and have no effect.

    Raises:
        ConfigError: naming all of them.
    """
    from ..engine.core.errors import ConfigError

    idle = [f"--{name}" for name in options if name not in used and getattr(arguments, name) is not None]
    if idle:
        takes = ", ".join(f"--{name}" for name in used) or "none of these options"
        raise ConfigError(
            f"{', '.join(idle)} has no effect with {chosen}.", expected=takes, hint="leave it out, or choose another."
        )


def _host(arguments: argparse.Namespace) -> HeadlessHost:
    from ..nodes.host.headless import HeadlessHost

    return HeadlessHost(arguments.output)


def _adapter(host: HeadlessHost, name: str) -> Adapter:
    """By a path, or by a name below the output folder's ``loras``."""
    from ..engine.adapters.files import load_adapter

    return load_adapter(Path(name) if Path(name).exists() else host.adapter_path(name))


def _stack(host: HeadlessHost, files: Sequence[tuple[str, float, float]]) -> Stack:
    from ..engine.adapters.stack import Stack, StackEntry

    return Stack(tuple(StackEntry(_adapter(host, name), weight, texts) for name, weight, texts in files))


def _base(host: HeadlessHost, arguments: argparse.Namespace) -> Backbone | None:
    from ..engine.models.registry import load_base

    if not arguments.base:
        return None
    return load_base(host.base_path(arguments.base), device="cpu", precision="fp32")


def _kept(host: HeadlessHost, arguments: argparse.Namespace, made: Merged) -> int:
    from ..engine.adapters.keeping import keep
    from ..nodes.kit.files import new_file

    kept = keep(made.adapter, new_file(host.adapter_directory(), made.adapter.name), dtype=arguments.dtype)
    return _told(arguments, [str(made)], made.report(), kept.path, kept.written)


def _told(
    arguments: argparse.Namespace, lines: Sequence[str], report: dict[str, Any], path: Path, written: bool
) -> int:
    if arguments.json:
        say_json(report | {"path": str(path)})
        return 0
    for line in lines:
        say(line)
    say(f"{'saved' if written else 'already saved'}: {path}")
    return 0
