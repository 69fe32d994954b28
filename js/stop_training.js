// "Stop and keep the adapter" in the menu of a node that trains, and as a command: its training ends after the current
// step, and the graph goes on with what it has learned. Running the graph again trains on.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { isOnCanvas, nodeOf } from "./tabs.js"
import { t } from "./kit/texts.js"

const TRAINS = /^LW_Train/
const ROUTE = "/lora_workbench/stop"
const SHOWN_FOR = 6000 // milliseconds

let running // id of the node that is executed, or null

function tell(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "LoRA Workbench", detail, life: SHOWN_FOR })
}

export async function stopTraining() {
  const answer = await api.fetchApi(ROUTE, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ node: running ?? null }),
  })
  const { stopping } = await answer.json().catch(() => ({}))
  if (stopping) tell("success", t("The training stops after its current step; run the graph again to train on."))
  else if (answer.status < 500) tell("warn", t("No training is in progress."))
  else tell("error", t("The training can't be asked to stop: the run store can't be written."))
}

function trainsNow(node) {
  return running != null && isOnCanvas() && nodeOf(running) === node
}

app.registerExtension({
  name: "LoRAWorkbench.Stop",

  commands: [{ id: "LoRAWorkbench.Stop", label: "Stop the training and keep the adapter", function: stopTraining }],

  setup() {
    api.addEventListener("executing", ({ detail }) => (running = detail))
  },

  getNodeMenuItems(node) {
    if (!TRAINS.test(node.comfyClass)) return []
    return [{ content: t("Stop and keep the adapter"), disabled: !trainsNow(node), callback: stopTraining }]
  },
})
