// Parts that our editors are made of: elements, and what opens beside them.

import { STYLE } from "./popover_style.js"
import { addStyle } from "./style.js"

/** An element: properties by name, `on` for listeners, `aria-…` and `data-…` for attributes; then its children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act)
    else if (name.includes("-") || name === "role" || name === "list") element.setAttribute(name, value)
    else element[name] = value
  }
  element.append(...children.filter((child) => child !== null && child !== undefined))
  return element
}

export function button(className, text, title, act) {
  return el("button", { type: "button", className, textContent: text, title, "aria-label": title, on: { click: act } })
}

export function toggle(on, title, act) {
  const own = button("lw-switch", "", title, () => act(!on))
  own.setAttribute("role", "switch")
  own.setAttribute("aria-checked", on)
  return own
}

const WEIGHT_STEP = 0.05 // by wheel, by dragging and by the arrows
const PIXELS_PER_STEP = 4
const LEAST_DRAG = 3 // pixels; less is a click

/** A field for a weight, whose background shows how much it is. It is changed by typing, by the arrows, by the wheel while
 *  it has the focus, and by dragging to the sides. */
export function weightField(value, placeholder, title, act) {
  const field = el("input", {
    className: "lw-weight", type: "number", step: String(WEIGHT_STEP), min: "-10", max: "10", value, placeholder, title,
    "aria-label": title, "data-capture-wheel": "true", // of nodes made of Vue components
    on: { change: () => act(field.value), input: fill, wheel, pointerdown },
  })
  function fill() {
    const share = Math.abs(Number(field.value || placeholder))
    field.style.setProperty("--lw-share", `${Math.min(100, 100 * share)}%`)
  }
  function move(from, steps) {
    const moved = Math.max(-10, Math.min(10, from + steps * WEIGHT_STEP))
    field.value = String(Number(moved.toFixed(2)))
    field.dispatchEvent(new Event("input", { bubbles: true })) // as typing does
  }
  function wheel(event) {
    if (document.activeElement !== field || !event.deltaY) return
    event.preventDefault()
    event.stopPropagation()
    move(Number(field.value || placeholder), event.deltaY < 0 ? 1 : -1)
    act(field.value)
  }
  function pointerdown(down) {
    if (down.button !== 0) return
    const from = Number(field.value || placeholder)
    let dragged = false
    const drag = (event) => {
      const distance = event.clientX - down.clientX
      dragged ||= Math.abs(distance) >= LEAST_DRAG
      if (dragged) move(from, Math.round(distance / PIXELS_PER_STEP))
    }
    const end = () => {
      field.removeEventListener("pointermove", drag)
      if (dragged) act(field.value)
    }
    field.setPointerCapture(down.pointerId)
    field.addEventListener("pointermove", drag)
    for (const name of ["pointerup", "pointercancel"]) field.addEventListener(name, end, { once: true })
  }
  fill()
  return field
}

let closeOpened = () => {}

/** Opens content beside an element, or at a place; gives a function that closes it. It closes on Escape, which gives the
 *  focus back to the element, and on clicks elsewhere. */
export function popover(anchor, content, label, { left, bottom, top } = anchor.getBoundingClientRect()) {
  closeOpened()
  addStyle("popover", STYLE)
  const panel = el("div", { className: "lw lw-popover", role: "dialog", "aria-label": label }, ...content)
  document.body.append(panel)
  const { offsetWidth, offsetHeight } = panel
  panel.style.left = `${Math.max(8, Math.min(left, innerWidth - offsetWidth - 8))}px`
  const below = bottom + 4 + offsetHeight < innerHeight
  panel.style.top = `${below ? bottom + 4 : Math.max(8, top - 4 - offsetHeight)}px`
  function close() {
    panel.remove()
    document.removeEventListener("pointerdown", outside, true)
    closeOpened = () => {}
  }
  function outside(event) {
    if (!panel.contains(event.target)) close()
  }
  document.addEventListener("pointerdown", outside, true)
  panel.addEventListener("keydown", (event) => {
    event.stopPropagation()
    if (event.key === "Escape") close()
    if (event.key === "Escape" && anchor.isConnected) anchor.focus()
    if (["ArrowDown", "ArrowUp"].includes(event.key)) moveFocus(panel, event)
  })
  closeOpened = close
  return close
}

function moveFocus(panel, event) {
  if (event.defaultPrevented) return
  const options = [...panel.querySelectorAll("input, .lw-option")]
  const at = options.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)
  options[(at + options.length) % options.length]?.focus()
  event.preventDefault()
}

export function option(text, act, className = "") {
  return el("button", { type: "button", className: `lw-option ${className}`, textContent: text, on: { click: act } })
}

/** Entries are `[text, act, className]`. */
export function menu(anchor, label, entries, place = undefined) {
  const made = entries.map(([text, act, className]) => option(text, () => (close(), act()), className))
  const close = popover(anchor, [el("div", { className: "lw-options", role: "menu" }, ...made)], label, place)
  made[0]?.focus()
}

/** Folder and stem of an adapter's name. */
export function nameParts(name) {
  const path = name.replaceAll("\\", "/")
  const cut = path.lastIndexOf("/") + 1
  return [path.slice(0, cut), path.slice(cut).replace(/\.safetensors$/, "")]
}
