// Gives each node that trains its panel, and tells it what becomes of its run.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { captureChange } from "../kit/changes.js"
import { cantRead } from "../kit/later.js"
import { onRemoved } from "../kit/widgets.js"
import { stopRun } from "../stop_training.js"
import { isStray, textOf } from "../strays.js"
import { isOnCanvas, nodeOf } from "../tabs.js"

const TRAINS = /^LW_Train(?!Remote$)/ // hosted trainers tell in words how far they are
const EVENT = "lora_workbench.training"
const TEXT_EVENT = "lora_workbench.text"

/** @type {WeakMap<object, Promise<import("./panel.mjs").TrainingPanel>>} */
const panels = new WeakMap()
/** @type {any} */
let runningNode = null

/** Whether a node shows its texts in a panel. @param {any} node */
export function hasPanel(node) {
  return TRAINS.test(node?.comfyClass ?? "")
}

function panelOf(node) {
  if (!panels.has(node)) {
    const made = import("./panel.mjs").then(({ TrainingPanel }) => new TrainingPanel(node, stopRun))
    panels.set(node, made)
    onRemoved(node, () => (made.then((panel) => panel.remove(), () => {}), panels.delete(node)))
  }
  return panels.get(node)
}

/** Something for a node's panel to do, once it is there; in the order in which it is told. @param {any} node
 *  @param {(panel: any) => void} act */
function tellPanel(node, act) {
  if (hasPanel(node)) panelOf(node).then(act, cantRead)
}

/** The node that an event is about: of a run that this page has queued, or of one that a node remembers. */
function nodeOfEvent({ node: id, client, prompt_id, run }) {
  const node = nodeOf(id)
  if (!hasPanel(node)) return undefined
  const own = client === undefined || client === api.clientId
  return (own && isOnCanvas(prompt_id)) || (run && node.properties.lw_run === run) ? node : undefined
}

function onTraining({ detail }) {
  const node = nodeOfEvent(detail)
  if (!node) return
  runningNode = node
  tellPanel(node, (panel) => {
    const before = node.properties.lw_run
    panel.take(detail)
    // Remembered with the workflow, so that it shows the run when it is opened again.
    if (before !== node.properties.lw_run) captureChange()
  })
}

function onEnd() {
  if (panels.has(runningNode)) tellPanel(runningNode, (panel) => panel.end())
  runningNode = null
}

function onExecuted({ detail }) {
  if (!isOnCanvas(detail.prompt_id)) return
  const node = nodeOf(detail.display_node ?? detail.node)
  const text = textOf(detail.output)
  if (!hasPanel(node) || !text) return
  tellPanel(node, (panel) => (panel.end(), panel.setText(text)))
}

app.registerExtension({
  name: "LoRAWorkbench.Training",

  setup() {
    api.addEventListener(EVENT, onTraining)
    api.addEventListener(TEXT_EVENT, ({ detail }) => {
      const node = nodeOfEvent(detail)
      if (node) tellPanel(node, (panel) => panel.setState(detail.text))
    })
    api.addEventListener("executing", ({ detail }) => {
      if (runningNode && (detail === null || nodeOf(detail) !== runningNode)) onEnd()
    })
    api.addEventListener("executed", onExecuted)
    for (const end of ["execution_success", "execution_error", "execution_interrupted"]) api.addEventListener(end, onEnd)
  },

  // Results of earlier runs, when a workflow comes back to the canvas.
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) {
      const node = nodeOf(id)
      const text = textOf(output)
      if (text && !isStray(id, text)) tellPanel(node, (panel) => panel.setText(text))
    }
  },

  loadedGraphNode(node) {
    const run = node.properties?.lw_run
    if (typeof run === "string") tellPanel(node, (panel) => panel.remember(run))
  },
})
