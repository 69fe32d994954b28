// How the list of runs looks.

export const STYLE = `
.lw-runs { display: flex; flex-direction: column; gap: 8px; height: 100%; padding: 10px; overflow: hidden auto; }
.lw-runs-bar { display: flex; gap: 6px; align-items: center; }
.lw-runs-bar input { flex: 1; min-width: 0; padding: 5px 8px; }
.lw-runs-list { display: flex; flex-direction: column; gap: 6px; margin: 0; padding: 0; list-style: none; }
.lw-run { padding: 8px 10px; border: 1px solid var(--lw-edge); border-radius: 9px; }
.lw-run h3 { display: flex; gap: 8px; align-items: baseline; margin: 0; font-size: 13px; font-weight: 600; }
.lw-run h3 span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lw-run h3 small { margin-left: auto; padding: 0 6px; border-radius: 4px; font-size: 10px; font-weight: 400;
  white-space: nowrap; color: var(--lw-muted); border: 1px solid var(--lw-edge); }
.lw-run[data-progress=running] h3 small { color: var(--lw-accent); border-color: var(--lw-accent); }
.lw-run[data-progress=interrupted] h3 small { color: var(--lw-bad); }
.lw-run p { margin: 2px 0 0; color: var(--lw-muted); font-size: 11px; overflow-wrap: anywhere; }
.lw-run progress { display: block; width: 100%; height: 4px; margin-top: 6px; border: 0; border-radius: 2px;
  overflow: hidden; appearance: none; background: var(--lw-field); }
.lw-run progress::-webkit-progress-bar { background: var(--lw-field); }
.lw-run progress::-webkit-progress-value { background: var(--lw-accent); }
.lw-run progress::-moz-progress-bar { background: var(--lw-accent); }
.lw-run-curve { display: block; width: 100%; height: 36px; margin-top: 6px; border-radius: 6px; overflow: hidden;
  background: var(--lw-field); }
.lw-run-curve * { fill: none; stroke: var(--lw-accent); stroke-width: 1.5px; vector-effect: non-scaling-stroke; }
.lw-run-curve .lw-best { stroke: var(--p-green-400, #4ade80); }
.lw-run .lw-run-acts { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 6px; }
.lw-run .lw-run-acts:empty { display: none; }
.lw-run button { font-size: 11px; padding: 2px 8px; }
.lw-runs-note { padding: 14px 8px; text-align: center; color: var(--lw-muted); }
`
