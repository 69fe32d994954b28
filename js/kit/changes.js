// Changes of the workflow that aren't typed into a widget of the front end.

import { app } from "/scripts/app.js"

/** Makes what has changed a step of its own for undo, and part of the draft that is kept. Older front ends look later. */
export function captureChange() {
  app.extensionManager.workflow?.activeWorkflow?.changeTracker?.captureCanvasState?.()
}
