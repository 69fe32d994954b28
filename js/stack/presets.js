// Presets of stacks: rows by name, in the user's folder.

import { button, el, option, popover } from "../kit/parts.js"
import { deletePreset, loadPreset, presetNames, savePreset } from "./server.js"
import { t } from "../kit/texts.js"

/** A name as a file can have it. */
function usable(name) {
  return name.replace(/[^\p{L}\p{N} ._-]/gu, "-").replace(/^\.+/, "").trim()
}

export async function openPresets(anchor, editor) {
  const entries = (await presetNames()).map((name) => el("div", { className: "lw-split" },
    option(name, () => load(name)),
    button("lw-option", "✕", t("Delete the preset {name}", { name }), () => remove(name))))
  const name = el("input", { placeholder: t("Save these rows as …"), "aria-label": t("Name of the preset") })
  const form = el("form", { on: { submit: save } }, name, button("", t("Save"), t("Save the preset"), save))
  const close = popover(anchor, [form, el("div", { className: "lw-options" }, ...entries)], t("Presets of stacks"))
  name.focus()

  async function load(preset) {
    close()
    const rows = await loadPreset(preset)
    if (typeof rows !== "string") return
    editor.text = rows
    editor.commit()
  }

  async function remove(preset) {
    await deletePreset(preset)
    close()
    await openPresets(anchor, editor)
  }

  async function save(event) {
    event.preventDefault()
    const chosen = usable(name.value)
    if (!chosen) return
    await savePreset(chosen, editor.text)
    close()
  }
}
