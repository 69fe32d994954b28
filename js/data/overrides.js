// Captions of single pictures, kept in the workflow as lines of "file name: caption".

const LONGEST_NAME = 4096 // characters; no file's path is longer

/** @param {string} name */
function canonical(name) {
  return name.trim().replace(/^(["'])(.*)\1$/, "$2").replaceAll("\\", "/").normalize("NFC")
}

/** @param {string} name */
function stem(name) {
  return name.replace(/\.[^./]+$/, "")
}

/** What a line may call a picture. @param {string} name */
function spellings(name) {
  const whole = canonical(name)
  const last = whole.slice(whole.lastIndexOf("/") + 1)
  return new Set([whole, stem(whole), last, stem(last)])
}

/** @param {string} name @param {string} caption */
function lineOf(name, caption) {
  return `${name}: ${inOneLine(caption)}`
}

/** A caption as a line can hold it. @param {string} caption */
export function inOneLine(caption) {
  return caption.replace(/\s*[\r\n]+\s*/g, " ").trim()
}

export class Overrides {
  /** @param {string} text */
  constructor(text) {
    this.text = text
    this.lines = text.split("\n")
    /** Where each text before a colon ends that may be a name. @type {Map<string, {line: number, at: number}[]>} */
    this.places = new Map()
    for (const [line, own] of this.lines.entries()) {
      for (const { index: at } of own.slice(0, LONGEST_NAME).matchAll(/[:：]/g)) {
        const name = canonical(own.slice(0, at))
        this.places.set(name, [...(this.places.get(name) ?? []), { line, at }])
      }
    }
  }

  /** Places of a picture's lines: the first line first, and of one line the longest name. @param {string} name */
  placesOf(name) {
    const found = [...spellings(name)].flatMap((own) => this.places.get(own) ?? [])
    return found.sort((one, other) => one.line - other.line || other.at - one.at)
  }

  /** The caption that a picture is given; undefined if there is none. @param {string} name */
  of(name) {
    const [place] = this.placesOf(name)
    return place && this.lines[place.line].slice(place.at + 1).trim()
  }

  /**
   * The text with other captions of some pictures, each on one line; without one where the caption is undefined.
   * @param {Iterable<[string, string | undefined]>} captions by name
   */
  with(captions) {
    /** @type {(string | undefined)[]} */
    const lines = [...this.lines]
    for (const [name, caption] of captions) {
      const [first, ...others] = new Set(this.placesOf(name).map(({ line }) => line))
      lines[first ?? lines.length] = caption === undefined ? undefined : lineOf(name, caption)
      for (const line of others) lines[line] = undefined
    }
    return lines.filter((line) => line?.trim()).join("\n")
  }
}
