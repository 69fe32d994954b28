// Styles by the colors of ComfyUI's theme. An element of class `lw` has our variables and font.

const COMMON = `
.lw { box-sizing: border-box; color: var(--input-text); font: 12px/1.4 Inter, Arial, sans-serif; scrollbar-width: thin;
  --lw-accent: var(--p-primary-color, #60a5fa); --lw-field: color-mix(in srgb, var(--input-text) 8%, transparent);
  --lw-edge: color-mix(in srgb, var(--input-text) 14%, transparent); --lw-muted: var(--descrip-text, #999);
  --lw-bad: var(--error-text, #ff6b6b); }
.lw *, .lw *::before, .lw *::after { box-sizing: border-box; }
.lw :is(button, input, textarea, select) { font: inherit; color: inherit; border: 1px solid transparent;
  border-radius: 6px; background: var(--lw-field); outline: none; margin: 0; }
.lw button { cursor: pointer; padding: 3px 10px; }
.lw button:disabled { cursor: default; opacity: .5; }
.lw :is(button, input, select):hover:enabled { border-color: var(--lw-edge); }
.lw :is(button, input, textarea, select, [tabindex]):focus-visible { border-color: var(--lw-accent);
  box-shadow: 0 0 0 1px var(--lw-accent); outline: none; }
`

/**
 * Add a style sheet once.
 * @param {string} id of the style element, without our prefix
 * @param {string} css
 */
export function addStyle(id, css) {
  if (id !== "common") addStyle("common", COMMON)
  if (document.getElementById(`lw-${id}-style`)) return
  const style = document.createElement("style")
  style.id = `lw-${id}-style`
  style.textContent = css
  document.head.append(style)
}
