// Shows the text of a result below the widgets of our nodes.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

const PREFIX = "LW_"
const NAME = "lw_text"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_TEXT"
// The front end's name for the text of a running node, which would stay below ours and take space from pictures.
const PROGRESS = "$$node-text-preview"
const LEAST_HEIGHT = 60 // pixels, four lines
const MARGIN = 10 // the front end's, above and below an element

function addText(node) {
  const element = document.createElement("textarea")
  element.className = "comfy-multiline-input"
  element.readOnly = true
  element.ariaLabel = "Result"
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

function find(node, name) {
  return node.widgets?.find((widget) => widget.name === name)
}

function remove(node, name) {
  const widget = find(node, name)
  if (widget) node.removeWidget(widget)
}

function growToFit(node) {
  const [width, height] = node.size
  const needed = node.computeSize()[1]
  if (needed > height) node.setSize([width, needed])
}

function show(node, text) {
  if (!text) return
  remove(node, PROGRESS)
  const widget = find(node, NAME) ?? addText(node)
  widget.value = text
  growToFit(node)
  node.setDirtyCanvas(true, true)
}

/** Our node of an execution id, which inside subgraphs looks like `outer:inner`. */
function ours(executionId) {
  let graph = app.rootGraph
  let node
  for (const id of String(executionId).split(":")) {
    node = graph?.getNodeById(id)
    graph = node?.subgraph
  }
  return node?.comfyClass?.startsWith(PREFIX) ? node : undefined
}

/** Shows the text of a result or, if it has none, the last progress text. */
function showResult(executionId, output) {
  const node = ours(executionId)
  if (node) show(node, output?.text ? [output.text].flat().join("\n") : find(node, PROGRESS)?.value)
}

function clear(executionId) {
  const node = ours(executionId)
  if (node) remove(node, NAME)
}

app.registerExtension({
  name: "LoRAWorkbench.Text",

  setup() {
    api.addEventListener("executing", ({ detail }) => clear(detail))
    api.addEventListener("executed", ({ detail }) => showResult(detail.display_node ?? detail.node, detail.output))
  },

  // Results of earlier runs, when a workflow comes back to the canvas.
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) showResult(id, output)
  },
})
