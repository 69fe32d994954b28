// "Stop and keep the adapter" in the menu of a node that trains: its training ends after the current
// step, and the graph goes on with what it has learned. Running the graph again trains on.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { tell } from "./kit/server.js"
import { t } from "./kit/texts.js"
import { say } from "./kit/toasts.js"
import { isOnCanvas, nodeOf } from "./tabs.js"

const TRAINS = /^LW_Train/

let running // id of the node that is executed, or null

/** Ask for a stop and say what comes of it. @param {string} route @param {object} which */
async function ask(route, which) {
  try {
    const { stopping } = await tell(route, which)
    if (stopping) say("success", t("The training stops after its current step; run the graph again to train on."))
    else say("warn", t("No training is in progress."))
  } catch (error) {
    if (error.status < 500 && error.status !== 400) say("warn", t("No training is in progress."))
    else say("error", t("The training can't be asked to stop: the run store can't be written."))
  }
}

/** Stop the training of the node that runs. */
export function stopTraining() {
  return ask("stop", { node: running ?? null })
}

/** Stop a training of this or of another process. @param {string} run as the server calls it */
export function stopRun(run) {
  return ask("runs/stop", { run })
}

function trainsNow(node) {
  return running != null && isOnCanvas() && nodeOf(running) === node
}

app.registerExtension({
  name: "LoRAWorkbench.Stop",

  setup() {
    api.addEventListener("executing", ({ detail }) => (running = detail))
  },

  getNodeMenuItems(node) {
    if (!TRAINS.test(node.comfyClass)) return []
    return [{ content: t("Stop and keep the adapter"), disabled: !trainsNow(node), callback: stopTraining }]
  },
})
