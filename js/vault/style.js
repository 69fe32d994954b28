// How the vault looks.

export const ROW_HEIGHT = 112 // pixels

export const STYLE = `
.lw-vault { display: flex; flex-direction: column; gap: 8px; height: 100%; padding: 10px; }
.lw-vault > input[type=search] { flex: none; padding: 5px 8px; }
.lw-filters { display: flex; flex-wrap: wrap; gap: 3px; flex: none; }
.lw .lw-filters button { padding: 2px 7px; font-size: 11px; max-width: 160px; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.lw .lw-filters [aria-haspopup]::after { content: " ▾"; color: var(--lw-muted); }
.lw .lw-filters .lw-chosen { background: color-mix(in srgb, var(--lw-accent) 26%, transparent); }
.lw .lw-filters .lw-filter-clear { background: none; font-size: 13px; line-height: 1; }
.lw-popover .lw-value small { margin-left: auto; padding-left: 14px; flex-shrink: 0; }
.lw-popover .lw-value[aria-checked=true] { background: var(--lw-field); }
.lw-virtual { flex: 1; min-height: 0; max-height: calc(100vh - 170px); overflow: hidden auto; border-radius: 6px; scrollbar-width: thin; }
.lw-card { display: flex; gap: 10px; padding: 6px 2px; border-bottom: 1px solid var(--lw-edge); overflow: hidden; }
.lw-card { contain: content; }
.lw .lw-card > .lw-picture { flex: none; width: 64px; height: 96px; padding: 0; overflow: hidden;
  border-radius: 6px; background: var(--lw-field); color: var(--lw-muted); font-size: 11px; }
.lw-picture img { display: block; width: 100%; height: 100%; object-fit: cover; }
.lw-card-facts { flex: 1; min-width: 0; display: flex; flex-direction: column; gap: 2px; }
.lw-card h3 { margin: 0; font-size: 13px; font-weight: 600; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.lw-card p { margin: 0; color: var(--lw-muted); font-size: 11px; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; flex: none; }
.lw-card p.lw-bad { color: var(--lw-bad); }
.lw-card-row { display: flex; gap: 4px; overflow: hidden; flex: none; }
.lw-card .lw-card-row button { font-size: 11px; padding: 1px 6px; white-space: nowrap; max-width: 160px;
  overflow: hidden; text-overflow: ellipsis; flex: none; }
.lw-card .lw-trigger { border-radius: 9px; background: color-mix(in srgb, var(--lw-accent) 26%, transparent); }
.lw-card-acts { margin-top: auto; }
.lw-vault-note { color: var(--lw-muted); text-align: center; }
.lw-popover textarea { width: 300px; min-height: 120px; font: inherit; color: inherit; padding: 6px 8px;
  background: var(--lw-field); border: 1px solid var(--lw-edge); border-radius: 6px; }
`

export const PICKS = `
.lw-shots { display: grid; grid-template-columns: repeat(4, 88px); gap: 4px; flex: none; }
.lw-popover .lw-shots .lw-shot { display: block; padding: 2px; width: 88px; }
.lw-shot img { display: block; width: 84px; height: 84px; object-fit: cover; border-radius: 5px; }
`
