// Shows the text of a running node and of its result below the widgets of our nodes.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { isStray, note } from "./strays.js"
import { isOnCanvas, nodeOf } from "./tabs.js"
import { hasPanel } from "./training/panels.js"
import { t } from "./kit/texts.js"

const PREFIX = "LW_"
const NAME = "lw_text"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_TEXT"
// Our own event, as the front end shows ComfyUI's progress texts on any node with that number in the graph in view.
const EVENT = "lora_workbench.text"
const LEAST_HEIGHT = 60 // pixels, four lines
const MARGIN = 10 // the front end's, above and below an element

function addText(node) {
  const element = document.createElement("textarea")
  element.className = "comfy-multiline-input"
  element.readOnly = true
  element.ariaLabel = t("Result")
  element.style.minHeight = `${LEAST_HEIGHT}px`
  element.addEventListener("wheel", zoomUnlessScrolled)
  const widget = node.addDOMWidget(NAME, TYPE, element, {
    getValue: () => element.value,
    setValue: (value) => (element.value = value),
    getMinHeight: () => LEAST_HEIGHT + 2 * MARGIN,
    getMaxHeight: () => Math.max(LEAST_HEIGHT, element.scrollHeight) + 2 * MARGIN, // the rest is left for pictures
    serialize: false, // not in the prompt ...
  })
  widget.serialize = false // ... nor in the workflow
  return widget
}

/** Passes the wheel on to the canvas if the text doesn't scroll. */
function zoomUnlessScrolled(event) {
  const { scrollHeight, clientHeight } = event.currentTarget
  if (scrollHeight > clientHeight && !event.ctrlKey) return
  event.stopPropagation()
  app.canvas.processMouseWheel(event)
}

function find(node) {
  return node.widgets?.find((widget) => widget.name === NAME)
}

function growToFit(node) {
  const [width, height] = node.size
  const needed = node.computeSize()[1]
  if (needed > height) node.setSize([width, needed])
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

function textOf(output) {
  return [output?.text ?? []].flat().join("\n")
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
