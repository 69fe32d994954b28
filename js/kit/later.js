// Elements of widgets whose scripts are read when the first node needs them, so that the page starts without them.

import { el } from "./parts.js"
import { t } from "./texts.js"
import { say } from "./toasts.js"
import { addElement, growToFit } from "./widgets.js"

const LEAST = 120 // pixels, until the script is there

/**
 * Add an element that holds a text, which is there at once.
 * @param {any} node
 * @param {string} name of the widget
 * @param {string} type unknown to the front end
 * @param {string} text at first
 * @param {() => Promise<{element: HTMLElement, height: number, text: string, widget: any}>} make
 */
export function addLater(node, name, type, text, make) {
  const place = el("div", { className: "lw-later" })
  let held = text
  /** @type {Awaited<ReturnType<make>> | undefined} */
  let made
  const widget = addElement(node, name, type, place, {
    least: () => made?.height ?? LEAST,
    value: {
      get: () => (made ? made.text : held),
      set: (given) => {
        held = String(given ?? "")
        if (made) made.text = held
      },
    },
  })
  make().then((part) => {
    part.widget = widget
    part.text = held
    made = part
    place.append(part.element)
    growToFit(node)
  }, cantRead)
  return widget
}

/** @param {Error} error */
export function cantRead({ message }) {
  say("error", t("A script of LoRA Workbench can't be read: {why}", { why: message }))
}
