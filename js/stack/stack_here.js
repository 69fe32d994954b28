// "Stack adapters here" in the menu of a node that gives a MODEL: a stack between it and what reads it.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { t } from "../kit/texts.js"

const [APPLY, STACK] = ["LW_ApplyStack", "LW_Stack"]
const SLOTS = { MODEL: "model", CLIP: "clip" }
const GAP = 60 // pixels

/** @param {any} node @param {string} type */
function outputOf(node, type) {
  return (node.outputs ?? []).findIndex((output) => output.type === type)
}

function add(graph, type, left, top) {
  const node = /** @type {any} */ (window).LiteGraph.createNode(type)
  node.pos = [left, top]
  graph.add(node)
  return node
}

/** What reads an output: the other end of each of its links. */
function readers(graph, node, slot) {
  return [...(node.outputs[slot].links ?? [])].map((id) => graph.getLink(id)).filter(Boolean)
    .map(({ target_id, target_slot }) => [graph.getNodeById(target_id), target_slot])
    .filter(([reader]) => reader)
}

/** Puts *Apply Stack* with a *Stack* behind a node; what read the node's MODEL and CLIP reads theirs. @param {any} node */
function stackHere(node) {
  const { graph } = node
  const left = node.pos[0] + node.size[0] + GAP
  const stack = add(graph, STACK, node.pos[0], node.pos[1] + node.size[1] + GAP)
  const apply = add(graph, APPLY, left, node.pos[1] - node.size[1] / 2)
  for (const [type, name] of Object.entries(SLOTS)) {
    const from = outputOf(node, type)
    if (from < 0) continue
    const read = readers(graph, node, from)
    node.connect(from, apply, apply.findInputSlot(name))
    for (const [reader, slot] of read) apply.connect(outputOf(apply, type), reader, slot)
  }
  stack.connect(0, apply, apply.findInputSlot("stack"))
  app.canvas.deselectAll?.()
  app.canvas.selectNode?.(stack)
  captureChange()
  graph.setDirtyCanvas(true, true)
}

app.registerExtension({
  name: "LoRAWorkbench.StackHere",

  getNodeMenuItems(node) {
    if (outputOf(node, "MODEL") < 0) return []
    return [{ content: t("Stack adapters here"), callback: () => stackHere(node) }]
  },
})
