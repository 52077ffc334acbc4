import { short, shortNs } from './format.ts';

/**
 * The script of a bench's page: draws `data.charts` with uPlot into the elements `chart<i>` and `data.heats` into the canvases `heat<i>`,
 * in the colours of the style sheet, and again when those change. The page is complete without it, but for the pictures.
 */
export const BENCH_SCRIPT = `
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  ${short.toString()}
  ${shortNs.toString()}
  const units = {
    count: (v) => (v !== 0 && v < 10 ? v.toFixed(2) : short(v)),
    ns: shortNs,
    '/s': (v) => short(v) + '/s',
    ratio: (v) => 'x' + (v < 10 ? v.toFixed(2) : short(v)),
    share: (v) => (v * 100).toFixed(v < 0.1 ? 1 : 0) + ' %',
  };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const names = [...new Set(data.charts.flatMap((chart) => chart.lines.map((line) => line.name)))];
  // One colour for each subject on the whole page: the golden angle keeps neighbours apart.
  const hue = (name) => 'hsl(' + Math.round((215 + names.indexOf(name) * 137.5) % 360) + ' ' + style('--sat') + ' ' + style('--lit') + ')';
  const FONT = '12px system-ui, sans-serif';
  let plots = [];

  const intervals = (chart) => (u) => {
    const { ctx } = u;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    // The bound, drawn last, is dashed.
    ctx.setLineDash([]);
    chart.lines.forEach((line, k) => {
      if (!u.series[k + 1].show) return;
      ctx.strokeStyle = hue(line.name);
      line.v.forEach((_, i) => {
        if (line.lo[i] === null || line.hi[i] === null || (chart.log && line.lo[i] <= 0)) return;
        // Beside each other, or one would hide the rest.
        const x = Math.round(u.valToPos(chart.at[i], 'x', true) + (k - (chart.lines.length - 1) / 2) * 3 * devicePixelRatio);
        ctx.beginPath();
        ctx.moveTo(x, u.valToPos(line.lo[i], 'y', true));
        ctx.lineTo(x, u.valToPos(line.hi[i], 'y', true));
        ctx.stroke();
      });
    });
    ctx.restore();
  };

  const crowded = (chart) => (u) => {
    if (chart.crowdedFrom >= chart.x.length) return;
    const { ctx, bbox } = u;
    const [before, from] = [chart.at[chart.crowdedFrom - 1], chart.at[chart.crowdedFrom]];
    const x = before === undefined ? bbox.left : u.valToPos((before + from) / 2, 'x', true);
    ctx.save();
    ctx.fillStyle = style('--panel');
    ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
    ctx.restore();
  };

  const draw = (chart, i) => {
    const parent = document.getElementById('chart' + i);
    const format = units[chart.unit];
    const grid = { stroke: style('--line'), width: 1 };
    const axis = { stroke: style('--dim'), grid, ticks: grid, font: FONT };
    const [first, last] = [chart.at[0], chart.at.at(-1)];
    const room = (last - first) / (chart.at.length - 1);
    const value = (u, v) => (v === null || v === undefined ? '-' : format(v));
    const drawn = [...chart.lines.flatMap((line) => [...line.v, ...line.lo, ...line.hi]), ...(chart.bound === null ? [] : chart.bound.v)];
    const all = drawn.filter((v) => v !== null && (!chart.log || v > 0));
    const [least, most] = [Math.min(...all), Math.max(...all)];
    const options = {
      width: Math.max(200, parent.clientWidth),
      height: 220,
      padding: [10, 8, 0, 0],
      scales: {
        x: { time: false, range: () => [first - room * 0.3, last + room * 0.3] },
        y: chart.log ? { distr: 3, range: () => [least * 0.8, most * 1.25] } : { range: () => [0, most > 0 ? most * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 44, label: chart.xTitle, labelFont: FONT, labelSize: 18, splits: () => chart.at, values: () => chart.x },
        { ...axis, size: 62, values: (u, splits) => splits.map((v) => (v === null ? '' : format(v))) },
      ],
      series: [
        { label: 'at', value: (u, v) => (v === null ? '-' : chart.x[chart.at.indexOf(v)]) },
        ...chart.lines.map((line) => ({
          label: line.name,
          value,
          stroke: hue(line.name),
          width: 1.5,
          points: { show: true, size: 5, fill: hue(line.name) },
        })),
        ...(chart.bound === null
          ? []
          : [{ label: chart.bound.name, value, stroke: style('--dim'), width: 1.5, dash: [6, 4], points: { show: false } }]),
      ],
      cursor: { drag: { x: false, y: false } },
      hooks: { drawClear: [crowded(chart)], draw: [intervals(chart)] },
    };
    const positive = (v) => (chart.log && v !== null && v <= 0 ? null : v);
    const columns = [...chart.lines.map((line) => line.v.map(positive)), ...(chart.bound === null ? [] : [chart.bound.v])];
    return new uPlot(options, [chart.at, ...columns], parent);
  };

  // Each slice of time by itself: the darker, the more of its operations took so long. Roots, so that the few slow ones are seen.
  const drawHeat = (heat, i) => {
    const canvas = document.getElementById('heat' + i);
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const ctx = canvas.getContext('2d');
    ctx.scale(ratio, ratio);
    const left = 52;
    const bottom = 18;
    const rows = heat.upToNs.length;
    const [w, h] = [(width - left) / heat.counts.length, (height - bottom) / rows];
    ctx.fillStyle = style('--panel');
    ctx.fillRect(left, 0, width - left, height - bottom);
    ctx.fillStyle = 'hsl(' + '215 ' + style('--sat') + ' ' + style('--lit') + ')';
    heat.counts.forEach((slice, x) => {
      const total = slice.reduce((a, b) => a + b, 0);
      slice.forEach((n, y) => {
        if (n === 0) return;
        ctx.globalAlpha = Math.max(0.06, (n / total) ** 0.4);
        ctx.fillRect(left + x * w, height - bottom - (y + 1) * h, Math.ceil(w), Math.ceil(h));
      });
    });
    ctx.globalAlpha = 1;
    ctx.fillStyle = style('--dim');
    ctx.font = '11px system-ui, sans-serif';
    ctx.textAlign = 'right';
    const step = Math.max(1, Math.ceil(14 / h));
    for (let y = 0; y < rows; y += step) {
      const at = height - bottom - y * h - 2;
      if (at > 9) ctx.fillText(shortNs(heat.upToNs[y]), left - 4, at);
    }
    ctx.textAlign = 'left';
    ctx.fillText('0', left, height - 4);
    ctx.textAlign = 'right';
    ctx.fillText(shortNs(heat.sliceMs * heat.counts.length * 1e6), width - 2, height - 4);
  };

  const drawAll = () => {
    for (const plot of plots) plot.destroy();
    plots = data.charts.map(draw);
    data.heats.forEach(drawHeat);
  };
  drawAll();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  let width = document.documentElement.clientWidth;
  addEventListener('resize', () => {
    if (width === document.documentElement.clientWidth) return;
    width = document.documentElement.clientWidth;
    drawAll();
  });
})();
`;
