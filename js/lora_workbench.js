// Shows the text of a running node and of its result below the widgets of our nodes.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { el } from "./kit/parts.js"
import { t } from "./kit/texts.js"
import { addElement, growToFit } from "./kit/widgets.js"
import { isStray, note, textOf } from "./strays.js"
import { isOnCanvas, nodeOf } from "./tabs.js"
import { hasPanel } from "./training/panels.js"

const PREFIX = "LW_"
const NAME = "lw_text"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_TEXT"
// Our own event, as the front end shows ComfyUI's progress texts on any node with that number in the graph in view.
const EVENT = "lora_workbench.text"
const LEAST_HEIGHT = 60 // pixels, four lines

function addText(node) {
  const element = el("textarea", { className: "comfy-multiline-input", readOnly: true, "aria-label": t("Result") })
  element.style.minHeight = `${LEAST_HEIGHT}px`
  return addElement(node, NAME, TYPE, element, {
    least: () => LEAST_HEIGHT,
    most: () => Math.max(LEAST_HEIGHT, element.scrollHeight), // the rest is left for pictures
    value: { get: () => element.value, set: (text) => (element.value = text) },
    serialize: false,
  })
}

function find(node) {
  return node.widgets?.find((widget) => widget.name === NAME)
}

function show(node, text) {
  const widget = find(node) ?? addText(node)
  widget.value = text
  growToFit(node)
  node.setDirtyCanvas(true, true)
}

function ours(id) {
  const node = nodeOf(id)
  return node?.comfyClass?.startsWith(PREFIX) && !hasPanel(node) ? node : undefined
}

function showText(id, text) {
  const node = ours(id)
  if (node && text) show(node, text)
}

function clear(id) {
  const node = ours(id)
  const widget = node && find(node)
  if (widget) node.removeWidget(widget)
}

app.registerExtension({
  name: "LoRAWorkbench.Text",

  setup() {
    api.addEventListener("executing", ({ detail }) => {
      if (isOnCanvas()) clear(detail)
    })
    api.addEventListener(EVENT, ({ detail }) => {
      if (isOnCanvas(detail.prompt_id)) showText(detail.node, detail.text)
    })
    // A result without a text leaves the last one of the running node.
    api.addEventListener("executed", ({ detail }) => {
      const [id, text, own] = [detail.display_node ?? detail.node, textOf(detail.output), isOnCanvas(detail.prompt_id)]
      note(id, text, own)
      if (own) showText(id, text)
    })
  },

  // Results of earlier runs, when a workflow comes back to the canvas.
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) {
      const text = textOf(output)
      if (!isStray(id, text)) showText(id, text)
    }
  },
})
