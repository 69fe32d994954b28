// What becomes of an adapter of the vault on the canvas: a node, a row of a stack, or the graph that trained it.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { addNode } from "../kit/graph.js"
import { ask } from "../kit/server.js"
import { newRow, write } from "../stack/lines.mjs"
import { noteUse } from "../stack/recent.mjs"

const LOADER = "LW_LoadAdapter"
const INSPECTOR = "LW_InspectAdapter"
const STACK = "LW_Stack"

function graph() {
  return app.canvas.graph ?? app.rootGraph
}

/** The middle of what the canvas shows. */
function middle() {
  const { scale, offset } = app.canvas.ds
  const { clientWidth, clientHeight } = app.canvas.canvas
  return [clientWidth / 2 / scale - offset[0], clientHeight / 2 / scale - offset[1]]
}

function changed() {
  captureChange()
  graph().setDirtyCanvas(true, true)
}

/** A node that loads an adapter, in the middle of the canvas. @param {string} name */
export function insertNode(name) {
  const [left, top] = middle()
  const node = addNode(graph(), LOADER, [left, top])
  node.pos = [left - node.size[0] / 2, top - node.size[1] / 2]
  const widget = node.widgets.find((own) => own.name === "adapter")
  const values = widget.options?.values
  if (Array.isArray(values) && !values.includes(name)) values.push(name)
  widget.value = name
  app.canvas.selectNode?.(node)
  changed()
  return node
}

/** Nodes that load and measure an adapter. @param {string} name */
export function insertInspection(name) {
  const loader = insertNode(name)
  const inspector = addNode(graph(), INSPECTOR, [loader.pos[0] + loader.size[0] + 60, loader.pos[1]])
  loader.connect(0, inspector, inspector.findInputSlot("adapter"))
  changed()
}

/** The stack that is selected, if exactly one is. */
export function selectedStack() {
  const found = Object.values(app.canvas.selected_nodes ?? {}).filter((node) => node.comfyClass === STACK)
  return found.length === 1 ? found[0] : undefined
}

/** A row of the selected stack; whether there is one. @param {string} name */
export function addToStack(name) {
  const widget = selectedStack()?.widgets.find((own) => own.name === "rows")
  if (!widget) return false
  const before = String(widget.value ?? "").trimEnd()
  widget.value = [before, write([newRow(name)])].filter(Boolean).join("\n")
  widget.callback?.(widget.value)
  noteUse(name)
  changed()
  return true
}

/** Opens the graph that trained an adapter as a workflow of its own. @param {string} name */
export async function restoreGraph(name) {
  const { workflow } = await ask("vault/workflow", { name })
  const title = name.split("/").pop()?.replace(/\.safetensors$/, "") ?? name
  await app.loadGraphData(workflow, true, true, `${title} (trained)`)
}
