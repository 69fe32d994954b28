// Tells when a training, a batch or a board of pictures has ended, whichever workflow is open.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { TELL_ENDINGS, setting } from "./kit/settings.js"
import { t } from "./kit/texts.js"
import { announce } from "./kit/toasts.js"

const EVENT = "lora_workbench.ended"
const STORE = "LoRAWorkbench.Told"
const MOST_KEPT = 50

/** @typedef {{kind: string, name: string, outcome: string, told: string, id: string}} Ending */

/** @type {Record<string, "success" | "warn" | "error">} */
const SEVERITIES = { finished: "success", stopped: "warn", failed: "error" }

/** @type {Record<string, (values: {name: string}) => string>} */
const SUMMARIES = {
  "training finished": (values) => t("{name} is trained", values),
  "training stopped": (values) => t("The training of {name} was stopped", values),
  "training failed": (values) => t("The training of {name} failed", values),
  "batch finished": (values) => t("The batch {name} is drawn", values),
  "batch failed": (values) => t("The batch {name} failed", values),
  "board finished": (values) => t("The pictures of {name} have their places", values),
  "board failed": (values) => t("The picture board of {name} failed", values),
}

/** Whether no page of this browser has told an ending; from now on, one has. @param {string} id */
function claim(id) {
  const told = JSON.parse(localStorage.getItem(STORE) ?? "[]")
  if (told.includes(id)) return false
  localStorage.setItem(STORE, JSON.stringify([...told, id].slice(-MOST_KEPT)))
  return true
}

/** Once somebody looks at the page: who comes back after a night wants to see it. @param {() => void} act */
function whenSeen(act) {
  if (document.visibilityState === "visible") return act()
  document.addEventListener("visibilitychange", () => whenSeen(act), { once: true })
}

/** One page at a time where the browser can, as it does for pages that come by HTTPS or from the same computer.
 *  @param {() => void} act */
function inTurn(act) {
  return navigator.locks ? navigator.locks.request(STORE, act) : act()
}

/** @param {Ending} ending */
function tell({ kind, name, outcome, told, id }) {
  if (!claim(id)) return
  const summary = SUMMARIES[`${kind} ${outcome}`]?.({ name }) ?? name
  announce(SEVERITIES[outcome] ?? "warn", summary, told)
}

app.registerExtension({
  name: "LoRAWorkbench.Endings",

  setup() {
    api.addEventListener(EVENT, ({ detail }) => setting(TELL_ENDINGS) && whenSeen(() => inTurn(() => tell(detail))))
  },
})
