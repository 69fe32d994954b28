// An adapter of the vault as a card: what it is, its trigger words, and what can be done with it.

import { copy } from "../kit/clipboard.mjs"
import { button, el, nameParts, popover } from "../kit/parts.js"
import { tell, url } from "../kit/server.js"
import { t } from "../kit/texts.js"
import { say } from "../kit/toasts.js"
import { addToStack, insertInspection, insertNode, restoreGraph } from "./acts.mjs"
import { choosePreview } from "./previews.mjs"

async function restore(name) {
  await restoreGraph(name).catch((error) => {
    say("warn", error.status === 404 ? t("{name} doesn't hold the graph that trained it.", { name }) : error.message)
  })
}

function editNote(anchor, card) {
  const field = el("textarea", { value: card.note, maxLength: 100_000, "aria-label": t("Note on {name}", card) })
  const close = popover(anchor, [field, button("", t("Save"), t("Save the note beside the adapter"), save)], t("Note"))
  field.focus()
  async function save() {
    try {
      card.note = (await tell("vault/note", { name: card.name, note: field.value })).note
      close()
      say("success", t("The note is kept beside the adapter."))
    } catch (error) {
      say("error", error.message)
    }
  }
}

/** A switch: agents get a tool of its own for each pinned adapter. */
function pin(card) {
  const own = button("lw-pin", "", "", async () => {
    try {
      card.pinned = (await tell("vault/pin", { name: card.name, pinned: !card.pinned })).pinned
      show()
    } catch (error) {
      say("error", error.message)
    }
  })
  own.append(el("i", { className: "pi pi-thumbtack", "aria-hidden": "true" }))
  function show() {
    own.setAttribute("aria-pressed", String(card.pinned))
    own.setAttribute("aria-label", t("Pin {name}", card))
    own.title = card.pinned ? t("Pinned: agents have a tool that draws with it") : t("Give agents a tool that draws with it")
  }
  show()
  return own
}

function picture(card) {
  const own = button("lw-picture", "", t("Choose the preview of {name}", card), () => choosePreview(own, card.name))
  if (card.preview) {
    const src = url("vault/preview", { name: card.name, version: card.preview })
    own.append(el("img", { src, alt: "", decoding: "async" }))
  } else own.textContent = t("No picture")
  return own
}

function toStack(card) {
  const add = () => {
    if (!addToStack(card.name)) say("warn", t("Select one Stack node first; the adapter becomes a row of it."))
  }
  return button("", t("To stack"), t("Add {name} to the selected stack", card), add)
}

/** For cards beside a node. */
export function measure(card) {
  return button("", t("Measure"), t("Insert nodes that measure {name}", card), () => insertInspection(card.name))
}

function acts(card, special) {
  const note = button("", t("Note"), t("Note on {name}", card), () => editNote(note, card))
  return el("div", { className: "lw-card-row lw-card-acts" },
    button("", t("Insert"), t("Insert {name} as a node", card), () => insertNode(card.name)),
    special(card),
    button("", t("Graph"), t("Open the graph that trained {name}", card), () => restore(card.name)),
    note)
}

/**
 * @param {any} card as `GET vault` tells it
 * @param {(card: any) => HTMLElement} special the button for what can be done with it here
 */
export function drawCard(card, special = toStack) {
  const [folder, stem] = nameParts(card.name)
  const facts = [card.family, card.kinds?.join(", "), card.rank ? t("rank {rank}", card) : "", card.base].filter(Boolean)
  const triggers = card.triggers.map((own) => button("lw-trigger", own, t("Copy the trigger {own}", { own }), () => copy(own)))
  const told = card.problem ? el("p", { className: "lw-bad", textContent: card.problem, title: card.problem })
    : el("p", { textContent: card.verdict || folder, title: card.verdict || folder })
  return el("div", { className: "lw-card" }, picture(card), el("div", { className: "lw-card-facts" },
    el("div", { className: "lw-card-title" }, el("h3", { textContent: stem, title: card.name }), pin(card)),
    el("p", { textContent: facts.join(" · ") }), told,
    el("div", { className: "lw-card-row" }, ...triggers), acts(card, special)))
}
