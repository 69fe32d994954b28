// How many tokens a caption takes: by the tokenizer of the workflow's base model, or about.

import { app } from "/scripts/app.js"

import { el } from "../kit/parts.js"
import { tell } from "../kit/server.js"
import { t } from "../kit/texts.js"

const LIMIT = 75 // tokens that CLIP's text encoder reads at once
const WHOLE_WORD = 8 // letters of a word that is usually one token
const LETTERS_MORE = 5 // and for each further token
const PIECES = /\p{Script=Latin}+|[\p{L}\p{M}]|\p{N}|[^\s\p{L}\p{N}\p{M}]+/gu
const PAUSE = 300 // milliseconds without typing, after which the server is asked
const MOST_KEPT = 2000 // counts

/** @typedef {{tokens: number, limit: number, model: string} | null} Count */

/** How many tokens a text takes, about. @param {string} text */
export function aboutTokens(text) {
  let count = 0
  for (const [piece] of text.normalize("NFC").matchAll(PIECES)) {
    count += 1 + Math.max(0, Math.ceil((piece.length - WHOLE_WORD) / LETTERS_MORE))
  }
  return count
}

const LOADER = "LW_LoadBase"
const MOST = 50 // base models that the server is asked for

/** @param {any[]} found @returns {string[]} */
function texts(found) {
  return [...new Set(found.filter((own) => typeof own === "string" && own))].slice(0, MOST)
}

/** The base models of this workflow: those that ran, as the server calls them, and the names of those to load. */
function basesInView() {
  const graphs = [app.rootGraph, ...(app.rootGraph?.subgraphs?.values() ?? [])]
  const nodes = graphs.flatMap((graph) => graph?.nodes ?? [])
  const loaders = nodes.filter((node) => node.comfyClass === LOADER)
  return {
    bases: texts(nodes.map((node) => node.properties?.lw_base)),
    names: texts(loaders.map((node) => node.widgets?.find((widget) => widget.name === "base")?.value)),
  }
}

/** Counts of the server by base models and text. @type {Map<string, {count: Count, models: string[]}>} */
const known = new Map()

/** @param {{bases: string[], names: string[]}} models @param {string} text */
async function ask({ bases, names }, text) {
  const key = JSON.stringify([bases, names, text])
  const found = known.get(key)
  if (found) return found
  const { counts, models } = await tell("tokens", { texts: [text], bases, names })
  const told = { count: counts[0], models }
  if (known.size > MOST_KEPT) known.clear()
  if (models.length) known.set(key, told) // a base model may be back after the next run
  return told
}

/** A line that says how many tokens a text takes. */
export class TokenLine {
  constructor() {
    this.element = el("div", { className: "lw-muted lw-tokens" })
    this.asked = 0
  }

  /** Counts a text that is there as a whole. @param {string} text */
  show(text) {
    this.write(text, undefined, "")
    this.count(text)
  }

  /** Counts a text that is being typed: the last count stays until the new one is there. @param {string} text */
  showLater(text) {
    clearTimeout(this.timer)
    this.asked += 1
    if (this.isExact) this.timer = setTimeout(() => this.count(text), PAUSE)
    else this.show(text)
  }

  /** @param {string} text */
  async count(text) {
    const own = ++this.asked
    const models = basesInView()
    const isAsked = models.bases.length || models.names.length
    const told = isAsked ? await ask(models, text).catch(() => undefined) : undefined
    if (own !== this.asked) return
    const [model] = told?.models ?? []
    if (told?.count) this.write(text, told.count, "")
    else if (model) this.write(text, undefined, t("{model} doesn't tell its tokens", { model }))
    else this.write(text, undefined, t("no base model in this workflow could count them"))
  }

  /** @param {string} text @param {Count | undefined} count @param {string} why it isn't exact */
  write(text, count, why) {
    this.isExact = Boolean(count)
    const { tokens, limit } = count ?? { tokens: aboutTokens(text), limit: LIMIT }
    const words = count ? t("{count} of {limit} tokens", { count: tokens, limit })
      : t("about {count} of {limit} tokens", { count: tokens, limit })
    this.element.textContent = words + (count ? ` (${count.model})` : why && ` (${why})`)
    this.element.className = `lw-tokens ${tokens > limit ? "lw-long" : "lw-muted"}`
  }
}
