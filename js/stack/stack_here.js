// "Stack adapters here" in the menu of a node that gives a MODEL: a stack between it and what reads it.

import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { addNode, outputOf, readersOf } from "../kit/graph.js"
import { t } from "../kit/texts.js"

const [APPLY, STACK] = ["LW_ApplyStack", "LW_Stack"]
const SLOTS = { MODEL: "model", CLIP: "clip" }
const GAP = 60 // pixels

/** Puts *Apply Stack* with a *Stack* behind a node; what read the node's MODEL and CLIP reads theirs. @param {any} node */
function stackHere(node) {
  const { graph } = node
  const left = node.pos[0] + node.size[0] + GAP
  const stack = addNode(graph, STACK, [node.pos[0], node.pos[1] + node.size[1] + GAP])
  const apply = addNode(graph, APPLY, [left, node.pos[1] - node.size[1] / 2])
  for (const [type, name] of Object.entries(SLOTS)) {
    const from = outputOf(node, type)
    if (from < 0) continue
    const read = readersOf(node, from)
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
