// How the editor of Stack looks, by the colors of ComfyUI's theme.

export const STYLE = `
.lw-stack { width: 100%; height: 100%; overflow: hidden auto; }
.lw-content { display: flex; flex-direction: column; gap: 5px; padding: 2px; }
.lw-bar { display: flex; align-items: center; gap: 6px; min-height: 26px; }
.lw-bar .lw-space { flex: 1; }
.lw-bar .lw-add { background: color-mix(in srgb, var(--lw-accent) 22%, transparent); font-weight: 600; }
.lw-heads, .lw-line { display: grid; grid-template-columns: 14px 28px minmax(60px, 1fr) 54px 54px 22px; gap: 6px;
  align-items: center; }
.lw-heads { padding: 0 7px; color: var(--lw-muted); font-size: 10px; text-align: center; line-height: 1; }
.lw-heads :first-child { grid-column: 1 / 4; text-align: left; }
.lw-rows { display: flex; flex-direction: column; gap: 5px; }
.lw-row { padding: 5px 6px; border-radius: 9px; border: 1px solid var(--lw-edge);
  background: color-mix(in srgb, var(--comfy-input-bg) 75%, transparent); }
.lw-row.lw-off .lw-name, .lw-row.lw-off .lw-weight, .lw-row.lw-off .lw-more { opacity: .6; }
.lw-row.lw-wrong { border-color: color-mix(in srgb, var(--lw-bad) 60%, transparent); }
.lw-row.lw-dragged { opacity: .5; border-color: var(--lw-accent); }
.lw-stack .lw-handle { padding: 0; height: 22px; background: none; color: var(--lw-muted); cursor: grab;
  touch-action: none; line-height: 1; }
.lw-stack .lw-switch { position: relative; width: 28px; height: 16px; padding: 0; border-radius: 8px;
  background: color-mix(in srgb, var(--input-text) 22%, transparent); transition: background .15s; }
.lw-switch::after { content: ""; position: absolute; top: 2px; left: 2px; width: 10px; height: 10px;
  border-radius: 50%; background: var(--input-text); transition: left .15s; }
.lw-stack .lw-switch[aria-checked=true] { background: var(--lw-accent); }
.lw-switch[aria-checked=true]::after { left: 14px; background: #fff; }
.lw-stack .lw-name { display: flex; align-items: baseline; min-width: 0; padding: 2px 6px; background: none;
  text-align: left; overflow: hidden; white-space: nowrap; }
.lw-name b { font-weight: 600; overflow: hidden; text-overflow: ellipsis; }
.lw-name small { color: var(--lw-muted); font-size: 10px; overflow: hidden;
  text-overflow: ellipsis; flex-shrink: 4; }
.lw-name i { font: 10px/1.3 Inter, Arial, sans-serif; margin-left: 6px; padding: 0 4px; border-radius: 4px;
  color: var(--lw-muted); border: 1px solid var(--lw-edge); }
.lw-stack .lw-weight { width: 100%; padding: 2px 4px; text-align: center; font-variant-numeric: tabular-nums;
  appearance: textfield; cursor: ew-resize; --lw-full: color-mix(in srgb, var(--lw-accent) 30%, transparent);
  background: border-box linear-gradient(90deg, var(--lw-full) var(--lw-share, 0%),
    var(--lw-field) var(--lw-share, 0%)); }
.lw-weight::placeholder { color: var(--lw-muted); opacity: 1; }
.lw-weight::-webkit-inner-spin-button { display: none; }
.lw-stack .lw-menu { padding: 0; height: 22px; background: none; color: var(--lw-muted); letter-spacing: 1px; }
.lw-more { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; padding: 4px 0 1px 20px; }
.lw-stack .lw-chip { padding: 0 8px; border-radius: 9px; font-size: 11px; line-height: 17px; color: var(--lw-muted);
  max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lw-stack .lw-chip[aria-pressed=true] { color: var(--input-text);
  background: color-mix(in srgb, var(--lw-accent) 32%, transparent); }
.lw-stack .lw-chip[aria-pressed=false] { text-decoration: line-through; }
.lw-stack input.lw-chip { width: 110px; color: var(--input-text); background: var(--lw-field); }
.lw-blocks { display: flex; align-items: center; gap: 6px; flex: 1 0 100%; color: var(--lw-muted); font-size: 11px; }
.lw-blocks input { flex: 1; min-width: 0; padding: 1px 6px; color: var(--input-text); }
.lw-stack .lw-problem { padding: 3px 2px 1px 20px; color: var(--lw-bad); font-size: 11px; overflow-wrap: anywhere; }
.lw-stack .lw-raw { width: 100%; font-family: monospace; padding: 1px 4px; color: var(--lw-muted); background: none; }
.lw-amount [hidden], .lw-amount[hidden] { display: none; }
.lw-amount { display: flex; flex-direction: column; gap: 3px; padding: 2px 7px; font-size: 11px; color: var(--lw-muted);
  font-variant-numeric: tabular-nums; }
.lw-amount-line { display: flex; align-items: center; gap: 8px; }
.lw-amount.lw-stale .lw-amount-line { opacity: .75; }
.lw-meter { flex: 1; height: 4px; border-radius: 2px; background: var(--lw-edge); overflow: hidden; }
.lw-share { height: 100%; background: var(--lw-accent); }
.lw-beyond .lw-share { background: var(--lw-bad); }
.lw-warning { display: flex; align-items: center; gap: 8px; color: var(--lw-bad); overflow-wrap: anywhere; }
.lw-warning span { flex: 1; min-width: 0; }
.lw-stack .lw-warning button { flex: none; padding: 1px 8px; color: var(--input-text); }
.lw-empty { padding: 14px 8px; text-align: center; color: var(--lw-muted); border: 1px dashed var(--lw-edge);
  border-radius: 9px; }
.lw-stack textarea { width: 100%; min-height: 110px; padding: 6px 8px; font: 11px/1.5 monospace; white-space: pre-wrap;
  resize: none; background: var(--comfy-input-bg); }
`
