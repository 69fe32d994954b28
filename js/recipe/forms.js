// Gives Recipe its form in place of a plain text field. Without this script, the settings are that field.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { addElement, onRemoved } from "../kit/widgets.js"
import { isOnCanvas, nodeOf } from "../tabs.js"
import { RecipeForm } from "./form.js"

const NODE = "LW_Recipe"
const INPUT = "settings"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_RECIPE_FORM"

/** @type {WeakMap<object, RecipeForm>} */
const forms = new WeakMap()

function addForm(node, name, spec) {
  const form = new RecipeForm(node)
  const value = { get: () => form.text, set: (text) => (form.text = String(text ?? "")) }
  form.widget = addElement(node, name, TYPE, form.element, { least: () => form.height, value })
  form.text = spec[1]?.default ?? ""
  forms.set(node, form)
  onRemoved(node, () => form.remove())
  return { widget: form.widget, minWidth: RecipeForm.leastWidth }
}

/** The form follows the choices beside it. */
function follow(node) {
  for (const widget of node.widgets ?? []) {
    if (!["goal", "quality"].includes(widget.name)) continue
    const before = widget.callback
    widget.callback = function (...given) {
      const told = before?.apply(this, given)
      forms.get(node)?.resolve()
      return told
    }
  }
}

function learn(id, output) {
  const node = nodeOf(id)
  if (node && output?.lw_recipe?.[0]) forms.get(node)?.learn(output.lw_recipe[0])
}

app.registerExtension({
  name: "LoRAWorkbench.Recipe",

  addCustomNodeDefs(definitions) {
    const settings = definitions[NODE]?.input?.optional?.[INPUT]
    if (settings) settings[1] = { ...settings[1], widgetType: TYPE }
  },

  getCustomWidgets() {
    return { [TYPE]: addForm }
  },

  nodeCreated(node) {
    if (node.comfyClass === NODE) follow(node)
  },

  setup() {
    api.addEventListener("executed", ({ detail }) => {
      if (isOnCanvas(detail.prompt_id)) learn(detail.display_node ?? detail.node, detail.output)
    })
  },

  // Results of earlier runs, when a workflow comes back to the canvas.
  onNodeOutputsUpdated(outputs) {
    for (const [id, output] of Object.entries(outputs)) learn(id, output)
  },
})
