// Short messages at the edge of the page.

import { app } from "/scripts/app.js"

const SHOWN_FOR = 6000 // milliseconds
const NEWS_SHOWN_FOR = 15_000

/** An answer to what the user has just done. @param {"success" | "warn" | "error"} severity @param {string} detail */
export function say(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "LoRA Workbench", detail, life: SHOWN_FOR })
}

/** News that nobody waits for; an error stays until it is closed.
 *  @param {"success" | "warn" | "error"} severity @param {string} summary @param {string} detail */
export function announce(severity, summary, detail) {
  app.extensionManager.toast.add({ severity, summary, detail, ...(severity !== "error" && { life: NEWS_SHOWN_FOR }) })
}
