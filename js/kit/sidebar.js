// Tabs in the sidebar.

import { app } from "/scripts/app.js"

import { cantRead } from "./later.js"

export const VAULT = "lora-workbench-vault"
export const RUNS = "lora-workbench-runs"

/** @param {string} id of a tab */
export function toggleTab(id) {
  app.extensionManager.sidebarTab.toggleSidebarTab(id)
}

/**
 * @param {{id: string, icon: string, title: string, tooltip: string}} tab
 * @param {() => Promise<new (place: HTMLElement) => {remove: () => void}>} load gives the content, which is made anew each
 *   time that the tab is opened
 */
export function addSidebarTab(tab, load) {
  /** @type {{remove: () => void} | undefined} */
  let shown
  let turn = 0
  function destroy() {
    turn += 1
    shown?.remove()
    shown = undefined
  }
  function render(place) {
    destroy()
    const own = turn
    load().then((Content) => own === turn && (shown = new Content(place)), cantRead)
  }
  app.extensionManager.registerSidebarTab({ ...tab, type: "custom", render, destroy })
}
