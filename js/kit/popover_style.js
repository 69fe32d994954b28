// How popovers look, and the lists in them.

export const STYLE = `
.lw-popover { position: fixed; z-index: 10000; display: flex; flex-direction: column; gap: 4px; padding: 6px;
  min-width: 170px; max-width: 460px; max-height: 320px; border-radius: 10px;
  background: var(--comfy-menu-bg); border: 1px solid var(--border-color); box-shadow: 0 10px 30px #0009;
  font-size: 13px; }
.lw-popover input { padding: 5px 8px; width: 100%; }
.lw-popover form { display: flex; gap: 4px; }
.lw-popover form button { padding: 0 10px; }
.lw-options { overflow: auto; display: flex; flex-direction: column; gap: 1px; scrollbar-width: thin; }
.lw-popover .lw-option { display: flex; gap: 2px; align-items: baseline; width: 100%; padding: 4px 8px;
  text-align: left; background: none; white-space: nowrap; flex-shrink: 0; }
.lw-popover .lw-option:is(:hover, [aria-selected=true], :focus-visible) { background: var(--lw-field); }
.lw-option small { color: var(--lw-muted); font-size: 10px; overflow: hidden; text-overflow: ellipsis;
  flex-shrink: 4; }
.lw-option span { overflow: hidden; text-overflow: ellipsis; }
.lw-popover .lw-danger { color: var(--lw-bad); }
.lw-split { display: flex; gap: 2px; }
.lw-split > :first-child { flex: 1; }
.lw-split > :last-child { flex: none; width: auto; color: var(--lw-muted); }
.lw-note { padding: 4px 8px; color: var(--lw-muted); font-size: 12px; }
`
