"""``lora-workbench mcp``: adapters as tools of an agent, over the Model Context Protocol."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError
from ..engine.core.words import missing
from .printing import complain

if TYPE_CHECKING:
    from ..agents.places import Place
    from ..agents.server import McpServer
    from ..agents.service import Service

_PORT = 8765
_IDLE_SECONDS = 300.0


def add_to(commands: Any) -> None:
    parser = commands.add_parser("mcp", help="serve adapters as tools to agents, over the Model Context Protocol")
    parser.add_argument("--output", type=Path, default=Path("output"), metavar="DIR", help="folder for all results")
    parser.add_argument(
        "--base", action="append", default=[], metavar="BASE",
        help="base model to draw and train with; may be repeated, and the first is the usual one (demo_base)",
    )  # fmt: skip
    parser.add_argument(
        "--server", default="", metavar="URL",
        help="draw and train in a running ComfyUI, such as http://127.0.0.1:8188, with its adapters, stacks and models",
    )  # fmt: skip
    parser.add_argument(
        "--adapters", type=Path, action="append", default=[], metavar="DIR",
        help="a further folder of adapters, such as ComfyUI's models/loras; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--presets", type=Path, metavar="DIR",
        help="folder of saved stacks, such as ComfyUI's user/default/lora_workbench/stack_presets",
    )  # fmt: skip
    parser.add_argument(
        "--workflow", type=Path, action="append", default=[], metavar="WORKFLOW.json",
        help="a workflow that agents may run, with the inputs that its app mode shows; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--root", type=Path, action="append", default=[], metavar="DIR",
        help="a folder that may be read, with training pictures below it; may be repeated (the working directory)",
    )  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="where models run")
    parser.add_argument("--precision", default="auto", metavar="DTYPE", help="of the frozen weights, as in a run file")
    parser.add_argument(
        "--http", type=_port, nargs="?", const=_PORT, metavar="PORT",
        help=f"serve over HTTP on this machine ({_PORT}; 0: any free port) in place of standard input and output",
    )  # fmt: skip
    parser.add_argument(
        "--idle", type=float, default=_IDLE_SECONDS, metavar="SECONDS",
        help=f"how long the process that draws and trains keeps its model in memory without a job ({_IDLE_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument("--work", type=Path, metavar="DIR", help=argparse.SUPPRESS)
    parser.set_defaults(command=mcp)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def mcp(arguments: argparse.Namespace) -> int:
    import asyncio
    from importlib.util import find_spec

    if arguments.work is not None:  # this program started itself as the worker of its jobs
        from ..agents.worker import work

        work(arguments.work, arguments.idle)
        return 0
    if find_spec("mcp") is None:
        raise ConfigError(f"{missing('mcp', 'agents')}.", hint="install it, and start the server again.")
    from ..agents.server import McpServer

    service = _service(arguments)
    service.go_on()
    server = McpServer(service, _version())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, arguments.http))
    return 0


def _version() -> str:
    """Of this program; empty where it wasn't installed."""
    from importlib.metadata import PackageNotFoundError, version

    with contextlib.suppress(PackageNotFoundError):
        return version("lora-workbench")
    return ""


async def _serve(server: McpServer, port: int | None) -> None:
    from ..agents.transports import http_token, serve_http, serve_stdio

    if port is None:
        await serve_stdio(server)
        return
    token, is_new = http_token()

    def ready(address: str) -> None:
        complain(f"Serving agents at {address}")
        if is_new:
            complain(f"Their token, which is shown this once: {token}")

    await serve_http(server, port, token, ready)


def _service(arguments: argparse.Namespace) -> Service:
    """
    Raises:
        WorkbenchError: a base model, workflow or folder is missing.
    """
    from ..agents.opening import nodes_of
    from ..agents.service import Service
    from ..agents.workflows import workflow_tool

    for folder in (*arguments.adapters, *arguments.root, *([arguments.presets] if arguments.presets else [])):
        if not folder.is_dir():
            raise ConfigError(f"There is no folder {folder}.", expected="one that exists", hint="correct the path.")
    place = _of_server(arguments) if arguments.server else _embedded(arguments)
    nodes = nodes_of(place) if arguments.workflow else {}
    workflows = [workflow_tool(path.absolute(), nodes) for path in arguments.workflow]
    return Service(place, workflows, arguments.idle)


def _embedded(arguments: argparse.Namespace) -> Place:
    """
    Raises:
        BaseModelError: a base model is missing.
    """
    from ..agents.places import Place
    from ..nodes.host.headless import HeadlessHost

    host = HeadlessHost(arguments.output)
    return Place(
        output=str(arguments.output.absolute()),
        bases=tuple(str(host.base_path(base).absolute()) for base in arguments.base or ["demo_base"]),
        roots=_roots(arguments),
        adapters=tuple(str(folder.absolute()) for folder in arguments.adapters),
        presets=str(arguments.presets.absolute()) if arguments.presets else "",
        device=arguments.device,
        precision=arguments.precision,
    )


def _of_server(arguments: argparse.Namespace) -> Place:
    """
    Raises:
        ConfigError: the address can't be used, or options are given that are ComfyUI's own there.
    """
    from ..agents.comfy.server import checked_address
    from ..agents.places import Place

    given = {
        "--adapters": arguments.adapters, "--presets": arguments.presets, "--device": arguments.device != "auto",
        "--precision": arguments.precision != "auto",
    }  # fmt: skip
    if unused := [name for name, value in given.items() if value]:
        raise ConfigError(
            f"{', '.join(unused)} can't be used with --server.",
            expected="ComfyUI's own folders, device and precision there",
            hint=f"leave {'it' if len(unused) == 1 else 'them'} out, or --server.",
        )
    return Place(
        output=str(arguments.output.absolute()), server=checked_address(arguments.server), bases=tuple(arguments.base),
        roots=_roots(arguments),
    )  # fmt: skip


def _roots(arguments: argparse.Namespace) -> tuple[str, ...]:
    return tuple(str(root.absolute()) for root in arguments.root or [Path.cwd()])
