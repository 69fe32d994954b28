// What can be done with a row of a stack, from its button, by a right click or by Shift+F10.

import { copy } from "../kit/clipboard.js"
import { menu, nameParts, popover } from "../kit/parts.js"
import { ask } from "../kit/server.js"
import { addStyle } from "../kit/style.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"
import { drawCard, measure } from "../vault/card.js"
import { STYLE } from "../vault/style.js"
import { openVault } from "../vault/tab.js"
import { phrasesOn } from "./lines.js"

/** @typedef {{left: number, top: number, bottom: number}} Place in the page */

/**
 * @param {any} editor @param {any} line @param {number} at of the line
 * @param {HTMLElement} anchor the row's menu button
 * @param {Place} [place] where it opens
 */
export function openRowMenu(editor, line, at, anchor, place) {
  const { name, phrases = [] } = editor.known.get(line) ?? {} // of the adapter, if its file is there
  const triggers = phrasesOn(line, phrases).join(", ")
  const entries = [
    [t("Block weights"), () => editor.showBlocks(line, at)],
    [t("Duplicate"), () => editor.insert(at + 1, { ...line })],
    at > 0 && [t("Move up"), () => editor.move(at, at - 1)],
    at < editor.lines.length - 1 && [t("Move down"), () => editor.move(at, at + 1)],
    name && [t("Inspect"), () => inspect(anchor, name, place)],
    name && [t("Open in the vault"), () => openVault(searchFor(name))],
    triggers && [t("Copy trigger words"), () => copy(triggers)],
    [t("Delete"), () => editor.remove(at), "lw-danger"],
  ]
  menu(anchor, t("Row"), entries.filter(Boolean), place)
}

/** The adapter's card beside its row. */
async function inspect(anchor, name, place) {
  try {
    const card = await ask("vault/card", { name })
    addStyle("vault", STYLE)
    const own = drawCard(card, measure)
    popover(anchor, [own], t("Adapter {name}", { name }), place)
    own.querySelector("button")?.focus()
  } catch (error) {
    say("warn", error.message)
  }
}

/** A search of the vault that finds an adapter by its name: what is between quotation marks, as they can't be within. */
function searchFor(name) {
  const [folder, stem] = nameParts(name)
  return `${folder}${stem}`.split('"').filter(Boolean).map((part) => `name:"${part}"`).join(" ")
}
