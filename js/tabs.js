// Which tab a run belongs to: a user may look at another workflow while one runs, whose nodes have the same numbers.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

// Tab and prompt by a run's id. Workflows' own ids don't tell copies apart, and their paths change when they are saved.
const runs = new Map()
let running

export function shownTab() {
  return app.extensionManager.workflow?.activeWorkflow
}

/** The node of an id: for an inner one, that of the subgraph or of its node comes first, as in `outer:inner`. */
export function nodeOf(executionId) {
  let graph = app.rootGraph
  let node
  for (const id of String(executionId).split(":")) {
    node = graph?.getNodeById(id)
    graph = node?.subgraph ?? app.rootGraph.subgraphs?.get(id)
  }
  return node
}

/** Whether no node on the canvas is another than in a prompt. While a tab opens, its nodes come before its name. */
function agrees(prompt) {
  return Object.entries(prompt).every(([id, { class_type }]) => (nodeOf(id)?.comfyClass ?? class_type) === class_type)
}

/** Whether the canvas shows the workflow of a run. One that was queued before the page was loaded is taken for it. */
export function isOnCanvas(id = running) {
  const run = runs.get(id)
  return !run || (run.tab === shownTab() && agrees(run.prompt))
}

const queuePrompt = api.queuePrompt
api.queuePrompt = async function (number, graph, ...more) {
  const run = { tab: shownTab(), prompt: graph.output }
  const answer = await queuePrompt.call(this, number, graph, ...more)
  runs.set(answer.prompt_id, run)
  return answer
}

api.addEventListener("execution_start", ({ detail }) => (running = detail.prompt_id))
for (const end of ["execution_success", "execution_error", "execution_interrupted"]) {
  api.addEventListener(end, ({ detail }) => runs.delete(detail.prompt_id))
}
