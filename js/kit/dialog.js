// Dialogs over the page.

import { button, el } from "./parts.js"
import { addStyle } from "./style.js"
import { t } from "./texts.js"

const STYLE = `
.lw-dialog { padding: 12px; border-radius: 10px; border: 1px solid var(--border-color, #444);
  background: var(--comfy-menu-bg, #222); box-shadow: 0 8px 40px rgb(0 0 0 / .5); outline: none; }
.lw-dialog[open] { display: flex; flex-direction: column; gap: 10px; }
.lw-dialog::backdrop { background: rgb(0 0 0 / .6); }
.lw-dialog-bar { display: flex; align-items: center; justify-content: space-between; gap: 8px; }
.lw-dialog-acts { display: flex; justify-content: flex-end; gap: 8px; }
.lw-dialog .lw-main { background: color-mix(in srgb, var(--lw-accent) 35%, transparent); }
`

/**
 * Opens a dialog; it closes on Escape and on clicks beside it.
 * @param {string} title @param {string} className @param {(Node | string)[]} content @param {() => void} [closed]
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, className, content, closed) {
  addStyle("dialog", STYLE)
  const dialog = el("dialog", { className: `lw lw-dialog ${className}`, "aria-label": title },
    el("div", { className: "lw-dialog-bar" }, el("b", { textContent: title }),
      button("lw-close", "×", t("Close"), () => dialog.close())), ...content)
  dialog.addEventListener("keydown", (event) => event.stopPropagation())
  dialog.addEventListener("close", () => (dialog.remove(), closed?.()))
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}
