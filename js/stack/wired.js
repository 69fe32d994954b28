// The family of the base model that a stack goes to, as the last run of the graph told it.

import { app } from "/scripts/app.js"

const STACK = "LW_STACK"
const BASE = "LW_BASE"

/** @param {any} node @param {Set<any>} [seen] @returns {string} empty where it isn't known */
export function wiredFamily(node, seen = new Set()) {
  seen.add(node)
  for (const output of node.outputs.filter(({ type }) => type === STACK)) {
    for (const id of output.links ?? []) {
      const next = node.graph.getNodeById(node.graph.getLink?.(id)?.target_id)
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
