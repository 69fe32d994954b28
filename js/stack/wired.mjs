// What a stack is wired to: the rows that come before its own, and the family of the base model that it goes to, as the
// last run of the graph or the model's file tells it.

import { app } from "/scripts/app.js"

import { readersOf } from "../kit/graph.js"
import { ask } from "../kit/server.js"

const NODE = "LW_Stack"
const STACK = "LW_STACK"
const BASE = "LW_BASE"
const MODEL = "MODEL"
const FILES = ["ckpt_name", "unet_name", "base"] // widgets of loaders, stock ones and ours
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

/**
 * Of the base model that a stack's rows go to; empty where it isn't known.
 * @param {any} node a Stack
 * @returns {Promise<string>}
 */
export async function wiredFamily(node) {
  for (const user of usersOf(node)) {
    const family = await familyInto(user)
    if (family) return family
  }
  return ""
}

/** The nodes that a stack goes into, near and far. @param {any} node @param {Set<any>} [seen] @returns {Generator<any>} */
function* usersOf(node, seen = new Set()) {
  seen.add(node)
  for (const output of node.outputs.filter(({ type }) => type === STACK)) {
    for (const [next] of readersOf(node, node.outputs.indexOf(output))) {
      if (!next || seen.has(next)) continue
      yield next
      yield* usersOf(next, seen)
    }
  }
}

/** Of the model that goes into a node: as the last run told it, or as the file that its loader names has it. */
async function familyInto(node, seen = new Set()) {
  seen.add(node)
  for (const [slot, { type }] of node.inputs.entries()) {
    const source = [BASE, MODEL].includes(type) ? node.getInputNode(slot) : null
    if (!source || seen.has(source)) continue
    const told = app.nodeOutputs?.[source.id]?.lw_base?.[0]?.family
    const family = told || (await familyOfFile(source)) || (await familyInto(source, seen))
    if (family) return family
  }
  return ""
}

async function familyOfFile(loader) {
  const named = loader.widgets?.find(({ name }) => FILES.includes(name))
  if (typeof named?.value !== "string" || !named.value) return ""
  const told = await ask("bases", { names: named.value }).catch(() => null)
  return told?.bases[0]?.family ?? ""
}
