/** The style sheet of report.html: light and dark as the reader's system is, one column on a phone. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --back: #ffffff; --panel: #f4f5f7; --text: #1c2024; --dim: #5d6776; --line: #d9dde3;
  --good: #17692f; --good-back: #e7f4ea; --bad: #b3261e; --bad-back: #fdecea; --odd: #7d5200; --odd-back: #fdf3dc;
  --lit: 38%; --sat: 70%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171a; --panel: #1d2126; --text: #e4e7eb; --dim: #98a2b0; --line: #333a43;
    --good: #7fd694; --good-back: #17301d; --bad: #ff8f86; --bad-back: #3a1f1d; --odd: #f0bf5a; --odd-back: #372b12;
    --lit: 68%; --sat: 65%;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1320px; padding: 1rem; background: var(--back); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.3rem; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .4rem; font-size: 1.1rem; }
h3 { margin: 1rem 0 .3rem; font-size: .95rem; }
h4 { margin: .8rem 0 .2rem; font-size: .9rem; }
p { margin: .2rem 0; overflow-wrap: anywhere; }
.dim { color: var(--dim); }
.hide { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.r { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; } .odd { color: var(--odd); }

.verdict { margin: .6rem 0; padding: .7rem .9rem; border-left: 5px solid var(--tone); background: var(--tone-back); }
.verdict.SUCCESS { --tone: var(--good); --tone-back: var(--good-back); }
.verdict.FAILURE { --tone: var(--bad); --tone-back: var(--bad-back); }
.verdict.UNKNOWN { --tone: var(--odd); --tone-back: var(--odd-back); }
.verdict .word { margin: 0 0 .3rem; font-size: 1.5rem; font-weight: 700; line-height: 1.2; color: var(--tone); }
.verdict ul { margin: 0; padding-left: 1.1rem; }
.verdict li { margin: .15rem 0; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; margin: .7rem 0 0; }
.facts div { display: flex; flex-direction: column; }
.facts dt { color: var(--dim); font-size: .82rem; }
.facts dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.notes { margin: .6rem 0; padding: .5rem .9rem .5rem 2rem; background: var(--odd-back); color: var(--odd); }

.sig-head, .sig summary { display: grid; grid-template-columns: 2.9rem minmax(8rem, 1.1fr) minmax(8rem, 1.1fr) minmax(10rem, 1.8fr) 6.5rem 5rem 5rem 5rem 7rem; gap: .6rem; align-items: baseline; padding: .35rem .5rem; }
.sig-head { color: var(--dim); font-size: .82rem; border-bottom: 2px solid var(--line); }
.sig { border-bottom: 1px solid var(--line); }
.sig summary { cursor: pointer; list-style: none; overflow-wrap: anywhere; }
.sig summary::-webkit-details-marker { display: none; }
.sig summary:hover { background: var(--panel); }
.sig summary:focus-visible, .locks summary:focus-visible { outline: 2px solid var(--dim); outline-offset: -2px; }
.num { color: var(--dim); font-variant-numeric: tabular-nums; }
.num::before { content: "\\25b8"; display: inline-block; width: .9em; }
.sig[open] .num::before { content: "\\25be"; }
.oracle { font-weight: 600; }
.sig.no .oracle, .sig.no .tag { color: var(--bad); font-weight: 600; }
.tag { color: var(--dim); font-size: .85rem; text-align: right; white-space: nowrap; }
.more > summary { padding: .5rem; cursor: pointer; color: var(--dim); }
.sig-body { margin: .2rem 0 1rem; padding: .2rem .5rem .4rem 1.2rem; border-left: 3px solid var(--line); }
.sig.no .sig-body { border-color: var(--bad); }
p.how { margin: 0 0 .5rem .6rem; color: var(--dim); font-size: .9em; }
pre.cmd { margin: .1rem 0; padding: .45rem .6rem; background: var(--panel); border-radius: 5px; font: 13px/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }

/* Its columns say which processor does what: it scrolls by itself. */
pre.lockdep { font-size: 12px; white-space: pre; overflow-x: auto; }

table { width: 100%; border-collapse: collapse; }
th, td { padding: .25rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
thead th { color: var(--dim); font-weight: 600; font-size: .82rem; border-bottom: 2px solid var(--line); vertical-align: bottom; overflow-wrap: normal; }
th.r, td.r { text-align: right; }
.cards { font-size: .9rem; }
.cards tbody tr { border-bottom: 1px solid var(--line); }
.cards tbody th { font-weight: 600; }
.cards td.dim { color: var(--dim); }
.cards td.r, .cards th.r { overflow-wrap: normal; }
.timeline { margin: .5rem 0; table-layout: fixed; font: 12.5px/1.4 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.timeline th, .timeline td { padding: .12rem .5rem; border-left: 1px solid var(--line); }
.timeline .us { width: 6rem; border-left: 0; text-align: right; color: var(--dim); font-variant-numeric: tabular-nums; }
.timeline th:not(.us), .timeline td.own::before { color: hsl(calc(var(--t) * 137 + 210) var(--sat) var(--lit)); }
.timeline tr.mark td { background: var(--bad-back); color: var(--bad); font-weight: 700; }
.locks { border-bottom: 1px solid var(--line); padding: .3rem 0; }
.locks summary { cursor: pointer; overflow-wrap: anywhere; }
.locks summary span:first-child { font-weight: 600; }

.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 1.5rem; }
.chart { min-width: 0; }
.chart h3 { margin: .2rem 0 0; }
.chart.wide { grid-column: 1 / -1; }
.u-legend { margin: 0; text-align: left; font-size: 12px; }
.u-legend .u-marker { width: 14px; height: 0; border-width: 0 0 3px 0 !important; }
.u-inline tr { margin-right: 10px; }
.u-legend td, .u-legend th { padding: 1px 3px; border: 0; color: inherit; }
.u-legend th { font-size: 12px; }
.u-legend td { font-variant-numeric: tabular-nums; }
.u-select { background: color-mix(in srgb, var(--text) 12%, transparent); }

.env { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: .1rem 1.5rem; margin: .3rem 0; }
.env div { display: flex; gap: .8rem; }
.env dt { flex: 0 0 6rem; color: var(--dim); }
.env dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }

@media (max-width: 1000px) { .charts { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 820px) {
  body { padding: .7rem; font-size: 14.5px; }
  .sig-head, .cards thead, .timeline thead { display: none; }
  .sig summary { display: flex; flex-wrap: wrap; gap: .1rem .8rem; padding: .5rem .2rem; }
  .sig summary > * { text-align: left; }
  .sig summary .at { flex-basis: 100%; color: var(--dim); }
  .sig summary [data-label]::before { content: attr(data-label) " "; color: var(--dim); font-size: .85em; }
  .sig-body { padding-left: .6rem; padding-right: 0; }
  .cards, .cards tbody, .cards tr, .cards th, .cards td { display: block; width: auto; }
  .cards tbody tr { padding: .5rem 0; }
  .cards tbody th { padding: .05rem 0; }
  .cards td, .cards td.r { display: flex; padding: .05rem 0; text-align: left; }
  .cards td::before { content: attr(data-label); flex: 0 0 8.5rem; margin-right: .5rem; color: var(--dim); font-weight: 400; font-size: .9em; }
  .timeline, .timeline tbody { display: block; }
  .timeline tr { display: flex; border-bottom: 1px solid var(--line); }
  .timeline td { display: none; border-left: 0; }
  .timeline td.us { display: block; flex: 0 0 4.6rem; width: auto; padding: .12rem .3rem .12rem 0; }
  .timeline td.own { display: block; flex: 1; min-width: 0; border-left: 3px solid hsl(calc(var(--t) * 137 + 210) var(--sat) var(--lit)); margin-left: calc(var(--t) * 8px); }
  .timeline td.own::before { content: attr(data-thread) " "; font-weight: 600; }
  .env { grid-template-columns: minmax(0, 1fr); }
}
@media print { .chart { break-inside: avoid; } }
`;
