// What a stack is wired to: the rows that come before its own, and the family of the base model that it goes to, as the last
// run of the graph told it.

import { app } from "/scripts/app.js"

import { readersOf } from "../kit/graph.js"

const NODE = "LW_Stack"
const STACK = "LW_STACK"
const BASE = "LW_BASE"
const BYPASSED = 4

/**
 * The rows that come in by wire, first to last, and whether adapters come in that can't be seen from here.
 * @param {any} node a Stack
 * @returns {{texts: string[], more: boolean}}
 */
export function rowsBefore(node) {
  const foreign = node.inputs.some(({ name, link }) => name === "lora_stack" && link != null)
  const slot = node.inputs.findIndex(({ name }) => name === "stack")
  if (slot < 0 || node.inputs[slot].link == null) return { texts: [], more: foreign }
  const before = node.getInputNode(slot)
  if (before?.comfyClass !== NODE) return { texts: [], more: true }
  const { texts, more } = rowsBefore(before)
  const own = before.mode === BYPASSED ? [] : [String(before.widgets.find(({ name }) => name === "rows").value)]
  return { texts: [...texts, ...own], more: more || foreign }
}

/** The stacks that a stack's rows go into, near and far. @param {any} node @returns {any[]} */
export function stacksAfter(node) {
  const slot = node.outputs.findIndex(({ type }) => type === STACK)
  const next = readersOf(node, slot).map(([reader]) => reader).filter((reader) => reader?.comfyClass === NODE)
  return next.flatMap((reader) => [reader, ...stacksAfter(reader)])
}

/** @param {any} node @param {Set<any>} [seen] @returns {string} empty where it isn't known */
export function wiredFamily(node, seen = new Set()) {
  seen.add(node)
  for (const output of node.outputs.filter(({ type }) => type === STACK)) {
    for (const [next] of readersOf(node, node.outputs.indexOf(output))) {
      const family = next && !seen.has(next) && (ownFamily(next) || wiredFamily(next, seen))
      if (family) return family
    }
  }
  return ""
}

/** Of the base model that goes into a node. */
function ownFamily(node) {
  const slot = node.inputs.findIndex(({ type }) => type === BASE)
  const base = slot < 0 ? null : node.getInputNode(slot)
  return base ? app.nodeOutputs?.[base.id]?.lw_base?.[0]?.family ?? "" : ""
}
