// The text of a stack as lines, and back: `on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5 | tok fox`.
// engine/adapters/rows.py reads the same. A line that isn't a row, such as a comment, stays as it is.

const FIELDS = 6
const NONE = "-" // no trigger phrase is on

/** The lines of a text: `{raw}` or `{on, adapter, weight, text, blocks, triggers}`, texts all but `on` and `triggers`,
 *  which is null for the adapter's first phrase. */
export function read(text) {
  return text.split(/\r?\n/).map(readLine)
}

function readLine(line) {
  const fields = line.split("|").map((field) => field.trim())
  const state = fields[0].toLowerCase()
  if (line.trim().startsWith("#") || fields.length > FIELDS || !["on", "off"].includes(state)) return { raw: line }
  const [, adapter = "", weight = "", text = "", blocks = "", triggers = ""] = fields
  return { on: state === "on", adapter, weight: weight || "1", text, blocks, triggers: readPhrases(triggers) }
}

function readPhrases(field) {
  if (!field) return null
  return field === NONE ? [] : field.split(";").map((phrase) => phrase.trim()).filter(Boolean)
}

export function newRow(adapter) {
  return { on: true, adapter, weight: "1", text: "", blocks: "", triggers: null }
}

export function isRow(line) {
  return line.raw === undefined
}

/** Whether a text is rows of another program, which the server turns into ours. */
export function isForeign(text) {
  return /^\s*[[{<]/.test(text)
}

export function write(lines) {
  return lines.map(writeLine).join("\n")
}

function writeLine(line) {
  if (!isRow(line)) return line.raw
  const triggers = line.triggers === null ? "" : line.triggers.join("; ") || NONE
  const fields = [line.on ? "on" : "off", line.adapter, line.weight, line.text, line.blocks, triggers]
  while (!fields.at(-1)) fields.pop()
  return fields.map((field) => (field ? ` ${field} ` : " ")).join("|").trim()
}

/** The weights of a row, multiplied. */
export function scaled(line, factor) {
  const times = (weight) => (weight === "" ? "" : String(Number((Number(weight) * factor).toFixed(2))))
  return { weight: times(line.weight), text: times(line.text) }
}

/** A row's phrases after one is turned on or off, given all that its adapter has. */
export function toggled(line, phrase, known) {
  const on = phrasesOn(line, known)
  const next = on.includes(phrase) ? on.filter((other) => other !== phrase) : [...on, phrase]
  return next.length === 1 && next[0] === known[0] ? null : next
}

export function phrasesOn(line, known) {
  return line.triggers ?? known.slice(0, 1)
}
