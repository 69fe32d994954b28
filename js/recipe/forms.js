// Gives Recipe its form in place of a plain text field. Without this script, the settings are that field.

import { api } from "/scripts/api.js"
import { app } from "/scripts/app.js"

import { addLater } from "../kit/later.js"
import { onRemoved, ownWidget } from "../kit/widgets.js"
import { RECIPE } from "../kit/widths.js"
import { isOnCanvas, nodeOf } from "../tabs.js"

const NODE = "LW_Recipe"
const INPUT = "settings"
// A type unknown to the front end: for known ones, Vue nodes replace our element with their own.
const TYPE = "LW_RECIPE_FORM"

/** @type {WeakMap<object, Promise<import("./form.mjs").RecipeForm>>} */
const forms = new WeakMap()

/** Something for a node's form to do, once it is there. @param {any} node @param {(form: any) => void} act */
function tellForm(node, act) {
  forms.get(node)?.then(act, () => {}) // whoever made it has told that it can't be read
}

function addForm(node, name, spec) {
  const form = import("./form.mjs").then(({ RecipeForm }) => new RecipeForm(node))
  forms.set(node, form)
  onRemoved(node, () => tellForm(node, (own) => own.remove()))
  return { widget: addLater(node, name, TYPE, spec[1]?.default ?? "", () => form), minWidth: RECIPE }
}

/** The form follows the choices beside it. */
function follow(node) {
  for (const widget of node.widgets ?? []) {
    if (!["goal", "quality"].includes(widget.name)) continue
    const before = widget.callback
    widget.callback = function (...given) {
      const told = before?.apply(this, given)
      tellForm(node, (form) => form.resolve())
      return told
    }
  }
}

function learn(id, output) {
  const node = nodeOf(id)
  if (node && output?.lw_recipe?.[0]) tellForm(node, (form) => form.learn(output.lw_recipe[0]))
}

app.registerExtension({
  name: "LoRAWorkbench.Recipe",

  ...ownWidget(NODE, "optional", INPUT, TYPE),

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
