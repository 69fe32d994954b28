// How the picker of adapters looks.

export const ROW_HEIGHT = 52 // pixels

export const STYLE = `
.lw-popover:has(.lw-picker) { max-height: none; }
.lw-picker { display: flex; flex-direction: column; gap: 6px; width: 400px; max-width: calc(100vw - 40px); }
.lw-families { display: flex; flex-wrap: wrap; gap: 4px; }
.lw-families[hidden] { display: none; }
.lw-popover .lw-family { padding: 1px 8px; border-radius: 9px; font-size: 11px; color: var(--lw-muted); }
.lw-popover .lw-family[aria-pressed=true] { color: var(--input-text);
  background: color-mix(in srgb, var(--lw-accent) 32%, transparent); }
.lw-picker .lw-virtual { max-height: calc(100vh - 160px); overflow: hidden auto; scrollbar-width: thin; }
.lw-pick { display: flex; align-items: center; gap: 8px; padding: 0 6px; border-radius: 6px; cursor: pointer; }
.lw-pick:hover { background: color-mix(in srgb, var(--lw-field) 60%, transparent); }
.lw-pick[aria-selected=true] { background: color-mix(in srgb, var(--lw-accent) 24%, transparent); }
.lw-pick :is(img, .lw-no-picture) { flex: none; width: 44px; height: 44px; border-radius: 5px; object-fit: cover;
  background: var(--lw-field); }
.lw-pick > div { flex: 1; min-width: 0; line-height: 1.35; }
.lw-pick > div > div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lw-pick b { font-weight: 600; }
.lw-pick :is(.lw-muted, .lw-bad) { font-size: 11px; }
.lw-pick small, .lw-pick .lw-muted { color: var(--lw-muted); }
.lw-pick .lw-bad { color: var(--lw-bad); }
.lw-pick small { font-size: 10px; }
.lw-pick i { flex: none; font: 10px/1.3 Inter, Arial, sans-serif; padding: 0 4px; border-radius: 4px;
  color: var(--lw-muted); border: 1px solid var(--lw-edge); }
`
