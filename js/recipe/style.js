import { addStyle } from "../kit/style.js"

const CSS = `
.lw-recipe { height: 100%; overflow: hidden; }
.lw-recipe-content { display: flex; flex-direction: column; gap: 6px; }
.lw-recipe-bar { display: flex; gap: 4px; align-items: center; }
.lw-recipe-bar input { flex: 1; min-width: 0; padding: 3px 8px; }
.lw-recipe-groups { max-height: 360px; overflow-y: auto; }
.lw-recipe-groups summary { cursor: pointer; padding: 4px 2px; font-weight: 600; border-radius: 4px; }
.lw-recipe-groups summary small { font-weight: 400; color: var(--lw-muted); margin-left: 6px; }
.lw-recipe-groups summary .lw-changes { color: var(--lw-accent); }
.lw-recipe-row { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 2fr) 22px; gap: 4px; align-items: center;
  padding: 2px 2px 2px 6px; border-left: 2px solid transparent; }
.lw-recipe-row.lw-changed { border-left-color: var(--lw-accent); }
.lw-recipe-row.lw-unused > label { opacity: .55; }
.lw-recipe-row label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lw-recipe-row label small { color: var(--lw-muted); margin-left: 4px; }
.lw-recipe-row :is(input, select, textarea) { width: 100%; min-width: 0; padding: 2px 6px; }
.lw-recipe-row select option { background: var(--comfy-input-bg); color: var(--input-text); }
.lw-recipe-row ::placeholder { color: var(--lw-muted); opacity: 1; }
.lw-recipe-row select.lw-as-suggested { color: var(--lw-muted); }
.lw-recipe-row .lw-reset { padding: 0; width: 22px; }
.lw-recipe-row :is(.lw-from, .lw-problem):empty { display: none; }
.lw-recipe-row .lw-from { grid-column: 1 / -1; color: var(--lw-muted); font-size: 11px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.lw-recipe-row .lw-problem, .lw-recipe-told { grid-column: 1 / -1; color: var(--lw-bad); font-size: 11px; }
.lw-recipe-row.lw-wrong :is(input, select, textarea) { border-color: var(--lw-bad); }
.lw-recipe textarea { width: 100%; padding: 6px; resize: none; font-family: monospace; }
.lw-recipe-plots { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.lw-recipe-plots figure { margin: 0; min-width: 0; }
.lw-recipe-plots figcaption { color: var(--lw-muted); font-size: 11px; }
.lw-recipe-plots canvas { width: 100%; height: 44px; display: block; color: var(--lw-accent); background: var(--lw-field); border-radius: 6px; }
`

export function styleRecipe() {
  addStyle("recipe", CSS)
}
