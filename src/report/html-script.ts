import { short, shortNs } from './format.ts';

/**
 * The page's script: draws `data.charts` with uPlot into the elements `chart<i>`, in the colours of the style sheet, and again when
 * those change. The charts share their cursor and their zoom. The page is complete without it, but for the charts.
 */
export const REPORT_SCRIPT = `
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  ${short.toString()}
  ${shortNs.toString()}
  const units = {
    count: short,
    ns: shortNs,
    MB: (v) => short(v) + ' MB',
    ms: (v) => (v === 0 ? '0' : shortNs(v * 1e6)),
  };
  const HEIGHT = 190;
  const isDecade = (v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6;
  const two = (n) => String(n).padStart(2, '0');
  const clock = (s) => {
    const t = Math.round(s);
    const rest = two(Math.floor(t / 60) % 60) + ':' + two(t % 60);
    return t < 3600 ? rest : Math.floor(t / 3600) + ':' + rest;
  };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hue = (i, n) => 'hsl(' + Math.round(215 + (i * 360) / Math.max(n, 4)) + ' ' + style('--sat') + ' ' + style('--lit') + ')';
  const dashes = [[], [6, 3], [2, 2]];
  let plots = [];
  let zooming = false;

  // Numbers that would stand over each other become '1 +3': the first of them, and three more.
  const labels = (u) => {
    const room = 40 * devicePixelRatio;
    const groups = [];
    for (const mark of [...data.marks].sort((a, b) => a.t - b.t)) {
      const x = u.valToPos(mark.t, 'x', true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      const last = groups[groups.length - 1];
      if (last !== undefined && x - last.x < room) last.marks.push(mark);
      else groups.push({ x, marks: [mark] });
    }
    return groups.map(({ x, marks }) => {
      const n = marks.map((mark) => mark.n).sort((a, b) => a - b);
      const text = n.length < 3 ? n.join(',') : n[0] + ' +' + (n.length - 1);
      return { x, text, color: style(marks.some((mark) => mark.bad) ? '--bad' : '--dim') };
    });
  };

  const vertical = (u, x, color, dash) => {
    const { ctx } = u;
    ctx.beginPath();
    ctx.strokeStyle = color;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
    ctx.moveTo(x, u.bbox.top);
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
  };

  const drawMarks = (u) => {
    const { ctx } = u;
    ctx.save();
    for (const t of data.resumes) {
      const x = u.valToPos(t, 'x', true);
      if (x >= u.bbox.left && x <= u.bbox.left + u.bbox.width) vertical(u, x, style('--dim'), [1, 3]);
    }
    ctx.font = 600 + ' ' + 11 * devicePixelRatio + 'px system-ui, sans-serif';
    ctx.textAlign = 'center';
    ctx.textBaseline = 'bottom';
    for (const { x, text, color } of labels(u)) {
      vertical(u, x, color, [4, 3]);
      ctx.fillStyle = color;
      ctx.fillText(text, x, u.bbox.top - 2 * devicePixelRatio);
    }
    ctx.restore();
  };

  const zoom = (u, key) => {
    if (key !== 'x' || zooming) return;
    zooming = true;
    const { min, max } = u.scales.x;
    if (min !== null) for (const other of plots) if (other !== u) other.setScale('x', { min, max });
    zooming = false;
  };

  const draw = (chart, i) => {
    const parent = document.getElementById('chart' + i);
    const format = units[chart.unit];
    const value = (u, v) => (v === null || v === undefined ? '-' : format(v));
    const grid = { stroke: style('--line'), width: 1 };
    const axis = { stroke: style('--dim'), grid, ticks: grid, font: '12px system-ui, sans-serif' };
        const all = data.t[chart.axis];
    const shared = Math.max(...data.t.series.slice(-1), ...data.t.trends.slice(-1));
    const options = {
      width: Math.max(200, parent.clientWidth),
      height: HEIGHT,
      padding: [18, 26, 0, 0],
      scales: {
        x: { time: false, range: (u, min, max) => (min === null || (min <= all[0] && max >= all[all.length - 1]) ? [0, shared] : [min, max]) },
        y: chart.log ? { distr: 3 } : { range: (u, min, max) => [0, max > 0 ? max * 1.08 : 1] },
      },
      axes: [
        {
          ...axis,
          size: 28,
          space: 70,
          incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400],
          values: (u, splits) => splits.map(clock),
        },
        {
          ...axis,
          ...(chart.log ? { grid: { ...grid, filter: (u, splits) => splits.map((v) => (isDecade(v) ? v : null)) } } : {}),
          size: 62,
          values: (u, splits) => splits.map((v) => (v === null ? '' : format(v))),
        },
      ],
      series: [
        { label: 'at', value: (u, v) => (v === null ? '-' : clock(v)) },
        ...chart.lines.map((line, k) => ({
          label: line.name,
          value,
          stroke: hue(k, chart.lines.length),
          dash: chart.lines.length > 6 ? dashes[k % 3] : [],
          width: 1.5,
          spanGaps: chart.axis === 'trends',
          points: { show: chart.axis === 'trends' && chart.lines.length < 4, size: 4 },
          ...(chart.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        })),
      ],
      cursor: { sync: { key: 'soak', scales: ['x', null] }, drag: { x: true, y: false } },
      hooks: { draw: [drawMarks], setScale: [zoom] },
    };
    const columns = [all, ...chart.lines.map((line) => line.v)];
    return new uPlot(options, columns, parent);
  };

  const drawAll = () => {
    for (const plot of plots) plot.destroy();
    plots = data.charts.map(draw);
  };
  drawAll();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  let width = document.documentElement.clientWidth;
  addEventListener('resize', () => {
    if (width === document.documentElement.clientWidth) return;
    width = document.documentElement.clientWidth;
    plots.forEach((plot, i) => plot.setSize({ width: Math.max(200, document.getElementById('chart' + i).clientWidth), height: HEIGHT }));
  });
})();
`;
