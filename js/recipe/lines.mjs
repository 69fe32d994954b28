// The text of a recipe's settings as entries, and back. What isn't `name = value` stays as it is.

const ENTRY = /^\s*(\w+)\s*=\s*([\s\S]*?)[\s;]*$/

/** @typedef {{name: string, value: string, text?: string}} Entry `text` for comments and what isn't a setting */

/** As the server reads it: entries end with lines, and with semicolons that `name =` follows. @param {string} text @returns {Entry[]} */
export function read(text) {
  const entries = []
  for (const line of text.split(/\r?\n/)) {
    const parts = line.trimStart().startsWith("#") ? [line] : line.split(/;\s*(?=\w+\s*=)/)
    for (const part of parts) entries.push(entryOf(part))
  }
  return entries.at(-1)?.text === "" ? entries.slice(0, -1) : entries
}

/** @param {string} part @returns {Entry} */
function entryOf(part) {
  const [, name, value] = (!part.trimStart().startsWith("#") && ENTRY.exec(part)) || []
  return name ? { name, value } : { name: "", value: "", text: part }
}

/** @param {Entry[]} entries */
export function write(entries) {
  return entries.map(({ name, value, text }) => text ?? `${name} = ${value}`).join("\n")
}

/** Entries with a setting's value replaced, added, or taken away where it is empty. @param {Entry[]} entries @param {string} name @param {string} value */
export function changed(entries, name, value) {
  const at = entries.findIndex((entry) => entry.name === name)
  const others = entries.filter((entry) => entry.name !== name)
  if (value === "") return others
  others.splice(at < 0 ? others.length : at, 0, { name, value })
  return others
}
