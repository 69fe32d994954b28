"""Our routes on an aiohttp server, as ComfyUI's is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .table import LARGEST_BODY, Asked, Route


def add(routes: Iterable[Route], table: Any) -> None:
    """Add routes to an ``aiohttp.web.RouteTableDef``."""
    for route in routes:
        table.route(route.method, route.path)(_handler(route))


def add_scripts(folder: Path, names: Iterable[str], table: Any) -> None:
    """Serve the scripts that pages read when they need them, before ComfyUI itself does.

    ComfyUI has browsers read ``.js`` anew each time, and lets them keep ``.mjs`` for as long as they like: after an
    update, pages would have old scripts beside new ones.

    Args:
        folder: with the extension's scripts.
        names: of the extension in addresses.
        table: an ``aiohttp.web.RouteTableDef``.
    """
    from aiohttp import web  # pyright: ignore[reportMissingImports] - ComfyUI has it

    async def script(request: Any) -> Any:
        path = (folder / request.match_info["path"]).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": "no-cache", "Content-Type": "text/javascript"})

    for name in names:
        table.get(f"/extensions/{name}/{{path:.+[.]mjs}}")(script)


def _handler(route: Route) -> Any:
    from aiohttp import web  # pyright: ignore[reportMissingImports] - ComfyUI has it

    async def handle(request: Any) -> Any:
        if route.method == "POST" and request.content_type != "application/json":
            return web.json_response({"error": {"message": "Expected JSON."}}, status=415)
        if (request.content_length or 0) > LARGEST_BODY:
            return web.json_response({"error": {"message": f"More than {LARGEST_BODY} bytes."}}, status=413)
        body = await _object_of(request) if route.method == "POST" else {}
        told = await asyncio.to_thread(route.answer, Asked(dict(request.query), body))
        headers = {"X-Content-Type-Options": "nosniff", **told.headers}
        return web.Response(body=told.content, status=told.status, content_type=told.content_type, headers=headers)

    return handle


async def _object_of(request: Any) -> dict[str, Any]:
    """The object that a request carries; empty for anything else."""
    content = await request.content.read(LARGEST_BODY + 1)
    while not request.content.at_eof() and len(content) <= LARGEST_BODY:
        content += await request.content.read(LARGEST_BODY + 1)
    try:
        found = json.loads(content) if len(content) <= LARGEST_BODY else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
