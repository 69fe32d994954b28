// Texts in the user's language. The English text is the key; locales/<language>/main.json has the others.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

const SECTION = "loraWorkbench"
const LANGUAGE = "Comfy.Locale"

/** @type {Record<string, string>} */
let known = {}
/** @type {Record<string, any>} those of nodes, which the front end shows */
let nodes = {}

/** Fetch the texts of the language that the front end has; English needs none. */
export async function loadTexts() {
  const language = app.extensionManager?.setting?.get(LANGUAGE) ?? "en"
  if (language.startsWith("en")) return
  const answer = await api.fetchApi("/i18n").catch(() => null)
  const all = answer?.ok ? await answer.json() : {}
  const own = [language, language.split("-")[0]].map((name) => all[name]).find((texts) => texts?.[SECTION])
  known = own?.[SECTION] ?? {}
  nodes = own?.nodeDefs ?? {}
}

/**
 * A text in the user's language.
 * @param {string} text in English, with {name} for values
 * @param {Record<string, unknown>} [values]
 */
export function t(text, values = {}) {
  return (known[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))
}

/**
 * Name and tooltip of a node's input in the user's language.
 * @param {string} node
 * @param {string} input
 * @returns {{name?: string, tooltip?: string}} empty in English
 */
export function inputTexts(node, input) {
  const { name, tooltip } = nodes[node]?.inputs?.[input] ?? {}
  return { name: name?.replace(/\{'(.)'\}/g, "$1"), tooltip } // names are in the syntax of vue-i18n
}

app.registerExtension({ name: "LoRAWorkbench.Texts", init: loadTexts })
