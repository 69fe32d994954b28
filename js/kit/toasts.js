// Short messages at the edge of the page.

import { app } from "/scripts/app.js"

const SHOWN_FOR = 6000 // milliseconds

/** @param {"success" | "warn" | "error"} severity @param {string} detail */
export function say(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "LoRA Workbench", detail, life: SHOWN_FOR })
}
