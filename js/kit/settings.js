// The extension's own settings, in ComfyUI's dialog below "LoRA Workbench".

import { app } from "/scripts/app.js"

const SECTION = "LoRA Workbench"

export const TELL_ENDINGS = "LoRAWorkbench.TellEndings"
export const SMOOTHING = "LoRAWorkbench.Smoothing"
export const TILE_SIZE = "LoRAWorkbench.TileSize"
export const FOLD_GROUPS = "LoRAWorkbench.FoldGroups"

/** @type {Record<string, Set<() => void>>} */
const listeners = {}
/** @type {Record<string, any>} values by id: the front end keeps a new one only after it has told of it */
const chosen = {}

const SETTINGS = [
  { id: TELL_ENDINGS, name: "Tell when a training or a batch has ended", type: "boolean", defaultValue: true,
    tooltip: "With its verdict, or with what went wrong; also while another workflow is open.", group: "Training" },
  { id: SMOOTHING, name: "Smoothing of the loss curve", type: "slider", defaultValue: 0.97,
    attrs: { min: 0, max: 0.99, step: 0.01 },
    tooltip: "Share of the last value that the next one keeps. 0 draws each step as it is.", group: "Training" },
  { id: FOLD_GROUPS, name: "Fold the groups of a recipe", type: "boolean", defaultValue: true,
    tooltip: "Off: all settings of Recipe show at once.", group: "Recipe" },
  { id: TILE_SIZE, name: "Size of pictures in galleries", type: "slider", defaultValue: 104,
    attrs: { min: 64, max: 256, step: 8 },
    tooltip: "Least width in pixels; rows are filled from there.", group: "Gallery" },
]

/** The value that the user has chosen. @param {string} id */
export function setting(id) {
  return chosen[id] ?? SETTINGS.find((own) => own.id === id)?.defaultValue
}

/** Calls something whenever a setting has changed; gives a function that ends this. @param {string} id @param {() => void} act */
export function onSetting(id, act) {
  listeners[id] ??= new Set()
  listeners[id].add(act)
  return () => listeners[id].delete(act)
}

function declared({ group, ...given }) {
  function onChange(value) {
    chosen[given.id] = value
    listeners[given.id]?.forEach((act) => act())
  }
  return { ...given, category: [SECTION, group, given.name], onChange }
}

app.registerExtension({ name: "LoRAWorkbench.Settings", settings: SETTINGS.map(declared) })
