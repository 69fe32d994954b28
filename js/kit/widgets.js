// Elements as widgets, alike in nodes that are drawn on a canvas and in those made of Vue components.

import { app } from "/scripts/app.js"

const MARGIN = 10 // pixels; the front end's, above and below an element

/**
 * Add an element to a node.
 * @param {any} node
 * @param {string} name of the widget
 * @param {string} type unknown to the front end: for known ones, Vue nodes replace our element with their own
 * @param {HTMLElement} element
 * @param {object} [options]
 * @param {() => number} [options.least] height in pixels, at least
 * @param {() => number} [options.most] height in pixels, at most
 * @param {{get: () => any, set: (value: any) => void}} [options.value] of the widget
 * @param {boolean} [options.serialize] whether workflow and prompt hold the value
 */
export function addElement(node, name, type, element, { least = () => 60, most, value, serialize = Boolean(value) } = {}) {
  element.addEventListener("pointerdown", (event) => event.stopPropagation())
  // Nodes made of Vue components leave the wheel to an element that says so, once it has the focus.
  element.setAttribute("data-capture-wheel", "true")
  element.addEventListener("wheel", zoomUnlessScrolled)
  element.addEventListener("keydown", takeBeforeQueuing, { capture: true })
  const widget = node.addDOMWidget(name, type, element, {
    getValue: () => value?.get() ?? "",
    setValue: (given) => value?.set(given),
    getMinHeight: () => least() + 2 * MARGIN,
    ...(most && { getMaxHeight: () => most() + 2 * MARGIN }),
    hideOnZoom: false,
    serialize, // in the prompt ...
  })
  widget.serialize = serialize // ... and in the workflow
  fitOnceSeen(node, element)
  return widget
}

/** An element has no size while its node is out of view: it can be measured only once it is seen.
 *  @param {any} node @param {HTMLElement} element */
function fitOnceSeen(node, element) {
  let seen = false
  new ResizeObserver(() => {
    const before = seen
    seen = element.offsetWidth > 0
    if (seen && !before) requestAnimationFrame(() => fit(node))
  }).observe(element)
}

/** Also where the node is large enough: its widgets share its room anew. @param {any} node */
function fit(node) {
  if (!node.graph) return
  node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1])])
  node.setDirtyCanvas(true, true)
}

/**
 * Hooks of an extension that give an input of a node a widget of ours.
 * @param {string} node
 * @param {"required" | "optional"} group
 * @param {string} input
 * @param {string} type of the widget
 */
export function ownWidget(node, group, input, type) {
  function addCustomNodeDefs(definitions) {
    const own = definitions[node]?.input?.[group]?.[input]
    if (own) own[1] = { ...own[1], widgetType: type }
  }
  // Lists that are read again, as after a run that saved an adapter, register all nodes as the server describes them.
  async function refreshComboInNodes(definitions) {
    addCustomNodeDefs(definitions)
    if (definitions[node]) await app.registerNodeDef(node, definitions[node])
  }
  return { addCustomNodeDefs, refreshComboInNodes }
}

/** Make a node as large as its widgets need, never smaller. @param {any} node @param {number} [leastWidth] */
export function growToFit(node, leastWidth = 0) {
  const [width, height] = node.size
  const [wide, tall] = [Math.max(width, leastWidth), Math.max(height, node.computeSize()[1])]
  if (wide <= width && tall <= height) return
  node.setSize([wide, tall])
  node.setDirtyCanvas(true, true)
}

/** Calls something when a node is removed, beside what does so already. @param {any} node @param {() => void} act */
export function onRemoved(node, act) {
  const before = node.onRemoved
  node.onRemoved = function (...given) {
    act()
    return before?.apply(this, given)
  }
}

/** Fields tell of a change when they are left, and Ctrl+Enter queues what the workflow holds. @param {KeyboardEvent} event */
function takeBeforeQueuing({ key, ctrlKey, metaKey, target }) {
  if (key === "Enter" && (ctrlKey || metaKey)) target?.dispatchEvent(new Event("change", { bubbles: true }))
}

/** Passes the wheel on to the canvas where nothing scrolls under the pointer. @param {WheelEvent} event */
export function zoomUnlessScrolled(event) {
  const own = /** @type {HTMLElement} */ (event.currentTarget)
  if (!event.ctrlKey && scrolls(/** @type {HTMLElement} */ (event.target), own)) return event.stopPropagation()
  event.stopPropagation()
  event.preventDefault()
  app.canvas.processMouseWheel(event)
}

/** @param {HTMLElement | null} element @param {HTMLElement} last */
function scrolls(element, last) {
  for (let at = element; at; at = at === last ? null : at.parentElement) {
    if (at.scrollHeight > at.clientHeight && getComputedStyle(at).overflowY !== "visible") return true
  }
  return false
}
