// Texts in the user's language. The English text is the key; locales/<language>/main.json has the others.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

const SECTION = "loraWorkbench"
const LANGUAGE = "Comfy.Locale"

/** @type {Record<string, string>} */
let known = {}

/** Fetch the texts of the language that the front end has; English needs none. */
export async function loadTexts() {
  const language = app.extensionManager?.setting?.get(LANGUAGE) ?? "en"
  if (language.startsWith("en")) return
  const answer = await api.fetchApi("/i18n").catch(() => null)
  const all = answer?.ok ? await answer.json() : {}
  known = all[language]?.[SECTION] ?? all[language.split("-")[0]]?.[SECTION] ?? {}
}

/**
 * A text in the user's language.
 * @param {string} text in English, with {name} for values
 * @param {Record<string, unknown>} [values]
 */
export function t(text, values = {}) {
  return (known[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))
}

app.registerExtension({ name: "LoRAWorkbench.Texts", init: loadTexts })
