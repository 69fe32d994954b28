// Captions: the trigger word in them, their length in tokens, and edits kept as lines of "file name: caption".

import { el } from "../kit/parts.js"
import { t } from "../kit/texts.js"

const LIMIT = 75 // tokens that CLIP's text encoder reads at once
const WHOLE_WORD = 8 // letters of a word that is usually one token
const LETTERS_MORE = 5 // and for each further token
const PIECES = /\p{Script=Latin}+|[\p{L}\p{M}]|\p{N}|[^\s\p{L}\p{N}\p{M}]+/gu

/** How many tokens a text takes, about: the encoder's own tokenizer isn't in the page. @param {string} text */
export function aboutTokens(text) {
  let count = 0
  for (const [piece] of text.normalize("NFC").matchAll(PIECES)) {
    count += 1 + Math.max(0, Math.ceil((piece.length - WHOLE_WORD) / LETTERS_MORE))
  }
  return count
}

/** @param {string} text @returns {{text: string, long: boolean}} */
export function tokensInWords(text) {
  const count = aboutTokens(text)
  return { text: t("about {count} of {limit} tokens", { count, limit: LIMIT }), long: count > LIMIT }
}

/** @param {string} word */
function pattern(word) {
  const escaped = word.normalize("NFC").trim().split(/\s+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  if (!escaped[0]) return null
  const inWord = "[\\p{Script=Latin}\\p{N}_]"
  return new RegExp(`(?<!${inWord})${escaped.join("\\s+")}(?!${inWord})`, "giu")
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

/** @param {string} name */
function canonical(name) {
  return name.trim().replace(/^(["'])(.*)\1$/, "$2").replaceAll("\\", "/").normalize("NFC")
}

/** @param {string} name */
function stem(name) {
  return name.replace(/\.[^./]+$/, "")
}

/** The caption that a line gives a picture; undefined for lines about others. @param {string} line @param {string} name */
function captionIn(line, name) {
  const whole = canonical(name)
  const last = whole.slice(whole.lastIndexOf("/") + 1)
  const spellings = new Set([whole, stem(whole), last, stem(last)])
  const colons = [...line.matchAll(/[:：]/g)].map((match) => match.index)
  const at = colons.reverse().find((place) => spellings.has(canonical(line.slice(0, place))))
  return at === undefined ? undefined : line.slice(at + 1).trim()
}

/** The caption that the edits give a picture; undefined if there is none. @param {string} edits @param {string} name */
export function editOf(edits, name) {
  return edits.split("\n").map((line) => captionIn(line, name)).find((caption) => caption !== undefined)
}

/**
 * The edits with another caption of one picture, each on one line; without one if the caption is undefined.
 * @param {string} edits @param {string} name @param {string | undefined} caption
 */
export function withEdit(edits, name, caption) {
  const line = caption === undefined ? [] : [`${name}: ${caption.replace(/\s*[\r\n]+\s*/g, " ").trim()}`]
  const lines = edits.split("\n").filter((own) => own.trim())
  const at = lines.findIndex((own) => captionIn(own, name) !== undefined)
  if (at < 0) return [...lines, ...line].join("\n")
  const others = lines.filter((own, index) => index === at || captionIn(own, name) === undefined)
  others.splice(at, 1, ...line)
  return others.join("\n")
}
