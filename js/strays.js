// Results that aren't of the workflow in view. The front end keeps a result for the tab that is open when it comes, though
// another one may have queued the run, and gives it out again whenever that tab is opened.

import { app } from "/scripts/app.js"

import { shownTab } from "./tabs.js"

const strays = new WeakMap()

/** The text of a node's output. */
export function textOf(output) {
  return [output?.text ?? []].flat().join("\n")
}

/** One result, by the last part of its node's id: the front end names inner nodes in two ways. */
function mark(id, text) {
  return `${String(id).split(":").pop()} ${text}`
}

function ofShownTab() {
  const tab = shownTab() ?? app // none while the page loads
  if (!strays.has(tab)) strays.set(tab, new Set())
  return strays.get(tab)
}

/** Note whether a result that has just come is of the workflow in view. */
export function note(id, text, own) {
  if (own) ofShownTab().delete(mark(id, text))
  else ofShownTab().add(mark(id, text))
}

/** Whether a result that the front end gives out was noted as of another workflow. */
export function isStray(id, text) {
  return ofShownTab().has(mark(id, text))
}
