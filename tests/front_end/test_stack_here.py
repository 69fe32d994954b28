"""*Stack adapters here*: a stack between a node that gives a model and what reads it, in one undo step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "any.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a fox"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["2", 0]}},
    "4": {"class_type": "VAEDecode", "inputs": {"vae": ["1", 2], "samples": ["3", 0]}},
}
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "here")
    Object.assign(app.canvas.ds, {scale: 1, offset: [100, 250]})
    app.canvas.setDirty(true, true)
}"""
TITLE = """() => {
    const node = app.rootGraph.nodes.find(each => each.type === "CheckpointLoaderSimple")
    const {scale, offset} = app.canvas.ds
    const {left, top} = app.canvas.canvas.getBoundingClientRect()
    return [left + (node.pos[0] + 60 + offset[0]) * scale, top + (node.pos[1] - 15 + offset[1]) * scale]
}"""
LINKS = """async () => {
    const {output} = await app.graphToPrompt()
    const kind = id => output[id].class_type
    return Object.values(output).flatMap(({class_type, inputs}) => Object.entries(inputs)
        .filter(([, value]) => Array.isArray(value))
        .map(([name, [id, slot]]) => `${class_type}.${name} = ${kind(id)} ${slot}`)).sort()
}"""
BEFORE = [
    "CLIPTextEncode.clip = CheckpointLoaderSimple 1",
    "KSampler.model = CheckpointLoaderSimple 0",
    "KSampler.positive = CLIPTextEncode 0",
    "VAEDecode.samples = KSampler 0",
    "VAEDecode.vae = CheckpointLoaderSimple 2",
]


def test_what_read_the_model_reads_the_stack(lasting: Page) -> None:
    lasting.evaluate(OPEN, PROMPT)
    assert lasting.evaluate(LINKS) == BEFORE
    lasting.mouse.click(*lasting.evaluate(TITLE), button="right")
    lasting.get_by_text("Stack adapters here").last.click()
    lasting.locator(".lw-stack").get_by_role("button", name="Add an adapter").wait_for()
    assert lasting.evaluate(LINKS) == [
        "CLIPTextEncode.clip = LW_ApplyStack 1",
        "KSampler.model = LW_ApplyStack 0",
        "KSampler.positive = CLIPTextEncode 0",
        "LW_ApplyStack.clip = CheckpointLoaderSimple 1",
        "LW_ApplyStack.model = CheckpointLoaderSimple 0",
        "LW_ApplyStack.stack = LW_Stack 0",
        "VAEDecode.samples = KSampler 0",
        "VAEDecode.vae = CheckpointLoaderSimple 2",
    ]
    lasting.evaluate("() => { document.activeElement?.blur(); app.canvas.canvas.focus() }")
    lasting.keyboard.press("Control+z")
    lasting.wait_for_function("() => app.rootGraph.nodes.length === 4")
    assert lasting.evaluate(LINKS) == BEFORE
