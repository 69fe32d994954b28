"""What tests do on a page with the front end, as its own scripts, and graphs as it numbers them."""

from __future__ import annotations

from comfyui_server import Graph

OPEN = """async ([prompt, name]) => {
    await app.loadApiJson(prompt, name)
    while (!app.extensionManager.workflow.activeWorkflow?.path.includes(name))
        await new Promise(done => setTimeout(done, 50))
}"""
QUEUE = "async () => { await app.queuePrompt(0) }"
STARTED = "() => app.ui.lastQueueSize > 0"
ENDED = "() => app.ui.lastQueueSize === 0"


def numbered(graph: Graph) -> Graph:
    """The graph with numbers for names, as the front end has them."""
    numbers = {name: str(number) for number, name in enumerate(graph, 1)}
    return {
        numbers[name]: node
        | {"inputs": {key: [numbers[v[0]], v[1]] if isinstance(v, list) else v for key, v in node["inputs"].items()}}
        for name, node in graph.items()
    }
