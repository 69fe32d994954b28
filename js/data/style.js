// How a gallery looks.

export const STYLE = `
.lw-gallery { display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; padding: 2px; }
.lw-gallery-bar { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: center;
  gap: 2px 8px; min-height: 20px; }
.lw-tools { display: flex; gap: 4px; }
.lw-tools:empty { display: none; }
.lw-muted { color: var(--lw-muted); }
.lw-long { color: var(--lw-bad); }
.lw-grid { flex: 1; min-height: 0; overflow: hidden auto; border-radius: 6px; contain: strict; }
.lw-room { position: relative; width: 100%; }
.lw-tile { position: absolute; left: 1px; top: 0; cursor: pointer; border-radius: 6px; overflow: hidden;
  background: var(--lw-field); border: 2px solid transparent; contain: strict; }
.lw-grid:focus-visible .lw-tile[aria-selected="true"], .lw-tile:hover { border-color: var(--lw-accent); }
.lw-picture { position: relative; width: 100%; aspect-ratio: 1; }
.lw-picture img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.lw-caption { padding: 2px 4px; font-size: 11px; line-height: 1.3; overflow: hidden; overflow-wrap: anywhere; }
.lw-tile .lw-caption { max-height: 46px; }
.lw-caption mark { background: color-mix(in srgb, var(--lw-accent) 35%, transparent); color: inherit; border-radius: 3px; }
.lw-caption i { color: var(--lw-muted); }
.lw-labels { position: absolute; inset: auto 2px 2px; display: flex; flex-wrap: wrap; gap: 2px; max-height: 100%;
  overflow: hidden; }
.lw-label { padding: 0 4px; border-radius: 4px; font-size: 10px; line-height: 15px;
  background: color-mix(in srgb, var(--comfy-menu-bg, #222) 85%, transparent); color: var(--input-text); }
.lw-flag { border-left: 3px solid var(--p-orange-400, #fb923c); }
.lw-out .lw-picture img { opacity: .35; }
.lw-marking { border: 2px dashed var(--lw-accent); }
.lw-fitted { position: absolute; pointer-events: none; }
.lw-tile .lw-crop { border-width: 1px; }
.lw-replace, .lw-write { width: min(640px, 94vw); max-height: 86vh; }
.lw-replace label:has(> input[type="text"]) { display: grid; grid-template-columns: 100px 1fr; align-items: center; }
.lw-replace input[type="text"] { padding: 5px 8px; }
.lw-options-row { display: flex; gap: 16px; padding-left: 100px; }
.lw-changes, .lw-written { flex: 1; min-height: 60px; overflow: auto; display: flex; flex-direction: column; gap: 6px;
  overflow-wrap: anywhere; }
.lw-changes > * { flex: none; padding: 4px 6px; border-radius: 6px; background: var(--lw-field); }
.lw-changes del { color: var(--lw-bad); }
.lw-changes ins { background: color-mix(in srgb, var(--lw-accent) 35%, transparent); text-decoration: none;
  border-radius: 3px; }
.lw-written ul { flex: none; margin: 0; padding-left: 18px; }
.lw-large { width: min(1200px, 94vw); height: min(860px, 92vh); padding: 12px; border-radius: 10px;
  border: 1px solid var(--border-color, #444); background: var(--comfy-menu-bg, #222); }
.lw-large { box-shadow: 0 8px 40px rgb(0 0 0 / .5); outline: none; }
.lw-large::backdrop { background: rgb(0 0 0 / .6); }
.lw-large[open] { display: flex; flex-direction: column; gap: 10px; }
.lw-large-bar { display: flex; align-items: center; gap: 8px; }
.lw-large-bar b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lw-large-bar span { margin-right: auto; white-space: nowrap; }
.lw-large-body { flex: 1; min-height: 0; display: flex; gap: 12px; }
.lw-stage { flex: 1; min-width: 0; display: grid; place-items: center; container-type: size; }
.lw-frame { position: relative; width: min(100cqw, 100cqh * var(--lw-ratio)); }
.lw-frame img { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 4px; }
.lw-crop { position: absolute; border: 2px dashed var(--lw-accent); }
.lw-side { width: 300px; flex: none; display: flex; flex-direction: column; gap: 8px; overflow: auto; padding: 2px; }
.lw-side .lw-caption { font-size: 13px; flex: none; white-space: pre-wrap; }
.lw-side textarea { width: 100%; resize: vertical; padding: 6px; font-size: 13px; flex: none; }
.lw-side ul { margin: 0; padding: 0; list-style: none; display: grid; gap: 4px; }
.lw-choices { display: flex; flex-wrap: wrap; gap: 4px; }
.lw-choices [aria-checked="true"] { background: color-mix(in srgb, var(--lw-accent) 35%, transparent); }
`
