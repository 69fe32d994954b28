// Tabs in the sidebar.

import { app } from "/scripts/app.js"

/**
 * @param {{id: string, icon: string, title: string, tooltip: string}} tab
 * @param {new (place: HTMLElement) => {remove: () => void}} Content made anew each time that the tab is opened
 */
export function addSidebarTab(tab, Content) {
  /** @type {{remove: () => void} | undefined} */
  let shown
  function destroy() {
    shown?.remove()
    shown = undefined
  }
  function render(place) {
    destroy()
    shown = new Content(place)
  }
  app.extensionManager.registerSidebarTab({ ...tab, type: "custom", render, destroy })
}
