// What is drawn anew under a pressed pointer loses the click that the user is making.

/** @type {Map<Element, () => void>} */
const waiting = new Map()
/** @type {EventTarget | null} */
let pressed = null

addEventListener("pointerdown", ({ target }) => (pressed = target), true)
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release, true)

function release() {
  pressed = null
  setTimeout(() => { // after the click
    const draws = [...waiting.values()]
    waiting.clear()
    for (const draw of draws) draw()
  })
}

/** Draws what is in an element: now, or once the pointer that is pressed on it is released. Of several draws the last counts.
 *  @param {Element} element @param {() => void} draw */
export function whenReleased(element, draw) {
  if (pressed instanceof Node && element.contains(pressed)) waiting.set(element, draw)
  else {
    waiting.delete(element)
    draw()
  }
}
