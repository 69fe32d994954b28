// Captions as they are shown: with the trigger word marked.

import { el } from "../kit/parts.js"
import { t } from "../kit/texts.js"

/** @param {string} word */
function pattern(word) {
  const escaped = word.normalize("NFC").trim().split(/\s+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  if (!escaped[0]) return null
  const inWord = "[\\p{Script=Latin}\\p{N}_]"
  return new RegExp(`(?<!${inWord})${escaped.join("\\s+")}(?!${inWord})`, "giu")
}

/** Whether a text has the trigger word. @param {string} text @param {string | undefined} trigger */
export function hasTrigger(text, trigger) {
  return Boolean(trigger && pattern(trigger)?.test(text.normalize("NFC")))
}

/** A caption with its trigger word marked. @param {string | null} caption @param {string} trigger @returns {(Node | string)[]} */
export function marked(caption, trigger) {
  if (!caption) return [el("i", { textContent: t("no caption") })]
  const text = caption.normalize("NFC")
  const found = pattern(trigger)
  if (!found) return [text]
  const parts = []
  let at = 0
  for (const match of text.matchAll(found)) {
    parts.push(text.slice(at, match.index), el("mark", { textContent: match[0] }))
    at = match.index + match[0].length
  }
  return [...parts, text.slice(at)].filter((part) => part !== "")
}
