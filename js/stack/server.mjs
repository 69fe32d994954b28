// What the editor of Stack asks ComfyUI for: what rows are and amount to, and presets in the user's folder.

import { api } from "/scripts/api.js"

import { tell } from "../kit/server.js"

const PRESETS = "lora_workbench/stack_presets"
const SUFFIX = ".json"

/** What `described` in engine/adapters/described_rows.py tells of a stack's text. */
export function describe(rows) {
  return tell("rows", { rows })
}

/** What the rows that are on amount to, with those of texts that come before; `amount_of` in engine/adapters/amounts.py.
 *  @param {string} rows @param {string[]} before */
export function amountOf(rows, before) {
  return tell("rows/amount", { rows, before })
}

function file(name) {
  return `${PRESETS}/${name}${SUFFIX}`
}

export async function presetNames() {
  const found = await api.listUserDataFullInfo(PRESETS).catch(() => [])
  return found
    .map(({ path }) => path.split("/").pop())
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
    .sort((a, b) => a.localeCompare(b))
}

export async function savePreset(name, rows) {
  const options = { overwrite: true, throwOnError: true, stringify: false }
  await api.storeUserData(file(name), JSON.stringify({ rows }), options)
}

export async function loadPreset(name) {
  const answer = await api.getUserData(file(name))
  return answer.ok ? (await answer.json()).rows : null
}

export function deletePreset(name) {
  return api.deleteUserData(file(name))
}
