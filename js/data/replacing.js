// Finding and replacing plain text in captions.

const WITHOUT_SPACES = ["Han", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"].map((script) => `\\p{sc=${script}}`).join("")
/** A letter or digit of a script that puts spaces between words. */
const IN_WORD = `(?:(?![${WITHOUT_SPACES}])[\\p{L}\\p{M}\\p{N}_])`

/** @typedef {{matchCase: boolean, wholeWords: boolean}} How */
/** @typedef {{before: string, after: string, parts: {kept: string, found: string}[], rest: string}} Change */

/** What finds a text; null for an empty one. @param {string} text @param {How} how */
export function finder(text, { matchCase, wholeWords }) {
  const escaped = text.normalize("NFC").replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")
  if (!escaped) return null
  return new RegExp(wholeWords ? `(?<!${IN_WORD})${escaped}(?!${IN_WORD})` : escaped, matchCase ? "gu" : "giu")
}

/**
 * The changed caption, with what was found in it; null if nothing was.
 * @param {string} caption @param {RegExp} found @param {string} by taken literally
 * @returns {Change | null}
 */
export function changed(caption, found, by) {
  const text = caption.normalize("NFC")
  const parts = []
  let at = 0
  for (const match of text.matchAll(found)) {
    parts.push({ kept: text.slice(at, match.index), found: match[0] })
    at = match.index + match[0].length
  }
  const rest = text.slice(at)
  const after = parts.map(({ kept }) => kept + by).join("") + rest
  return parts.length && after !== text ? { before: text, after, parts, rest } : null
}
