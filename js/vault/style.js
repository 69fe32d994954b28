// How the vault looks.

export const ROW_HEIGHT = 112 // pixels

export const STYLE = `
.lw-vault { display: flex; flex-direction: column; gap: 8px; height: 100%; padding: 10px; }
.lw-vault-bar { display: flex; gap: 6px; align-items: center; }
.lw-vault-bar input[type=search] { flex: 1; min-width: 0; padding: 5px 8px; }
.lw-vault label { display: flex; gap: 6px; align-items: center; color: var(--lw-muted); }
.lw-virtual { flex: 1; min-height: 0; max-height: calc(100vh - 170px); overflow: hidden auto; border-radius: 6px; scrollbar-width: thin; }
.lw-card { display: flex; gap: 10px; padding: 6px 2px; border-bottom: 1px solid var(--lw-edge); overflow: hidden; }
.lw-card > img, .lw-card > .lw-no-picture { flex: none; width: 64px; height: 96px; border-radius: 6px; object-fit: cover;
  background: var(--lw-field); }
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
