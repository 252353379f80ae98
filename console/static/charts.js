// Draws a chart over each table that stands in a <figure data-chart="line|bars|stacked">.
//
// The first column has the times or names, each other column that is a number is a series. A cell's
// number is its data-value, or its text; a column whose head has data-chart-skip is passed over. A
// row's time is the datetime of a <time> in its first cell, or the cell's data-time. The table moves into a
// <details> below the chart, whose legend shows the very texts of the cells. Colours are the custom
// properties of raphus.css and drawing.css. Without this script, or without uPlot, the table is what is shown.
(() => {
  "use strict";

  const HEIGHT_PX = 220;
  const SERIES_MAX = 6;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  function numberOf(cell) {
    if (!cell) return null;
    const said = cell.dataset.value ?? cell.textContent.replace(/[\s,]/g, "").replace("−", "-");
    const found = /-?\d+(\.\d+)?/.exec(said);
    return found ? Number(found[0]) : null;
  }

  function timeOf(cell) {
    const said = cell.dataset.time ?? cell.querySelector("time")?.dateTime;
    const at = said ? Date.parse(said) / 1000 : NaN;
    return Number.isFinite(at) ? at : null;
  }

  function read(table) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.cells.length === heads.length);
    const names = rows.map((row) => row.cells[0].textContent.trim());
    const times = rows.map((row) => timeOf(row.cells[0]));
    const isTimed = times.every((at, place) => at !== null && (place === 0 || at > times[place - 1]));
    const series = heads.slice(1).flatMap((head, place) => {
      if ("chartSkip" in head.dataset) return [];
      const cells = rows.map((row) => row.cells[place + 1]);
      const values = cells.map(numberOf);
      if (values.every((value) => value === null)) return [];
      return [{ label: head.textContent.trim(), values, texts: cells.map((cell) => cell.textContent.trim()) }];
    });
    return { names, xs: isTimed ? times : names.map((_, place) => place), isTimed, series: series.slice(0, SERIES_MAX) };
  }

  // What is above nothing is stacked upwards, what is below it downwards.
  function stacked(series) {
    const tops = { up: [], down: [] };
    return series.map(({ values }) =>
      values.map((value, place) => {
        if (value === null) return null;
        const way = value < 0 ? "down" : "up";
        tops[way][place] = (tops[way][place] ?? 0) + value;
        return tops[way][place];
      }),
    );
  }

  function colours(element) {
    const style = getComputedStyle(element);
    const of = (name) => style.getPropertyValue(name).trim();
    return { text: of("--muted"), line: of("--line"), series: Array.from({ length: SERIES_MAX }, (_, n) => of(`--series-${n + 1}`)) };
  }

  function seriesOf(one, way, colour, bars) {
    const value = (_plot, _value, _series, place) => (place === null || place === undefined ? "" : one.texts[place]);
    const shown = { label: one.label, stroke: colour, width: 2, value, points: { show: one.values.length < 3 } };
    if (way === "line") return shown;
    return { ...shown, width: 0, fill: colour, paths: bars, points: { show: false } };
  }

  function optionsOf(figure, told, width) {
    const way = figure.dataset.chart;
    const { text, line, series } = colours(figure);
    const slot = slotOf(told.xs);
    const bars = (number) => barsOf(told, slot, number, way === "stacked" ? 1 : told.series.length);
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "11px system-ui, sans-serif" };
    const names = (_plot, splits) => splits.map((place) => told.names[place] ?? "");
    const nameAt = (_plot, _value, _series, place) => (place === null || place === undefined ? "" : told.names[place]);
    const drawn = told.series.map((one, number) => seriesOf(one, way, series[number], bars(number)));
    return {
      width,
      height: HEIGHT_PX,
      series: [{ label: "", value: nameAt }, ...(way === "stacked" ? drawn.reverse() : drawn)],
      axes: [
        told.isTimed ? axis : { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100], values: names },
        { ...axis, size: 56, values: (_plot, splits) => splits.map((value) => compact.format(value)) },
      ],
      scales: {
        x: { time: told.isTimed, range: way === "line" ? undefined : (_plot, low, high) => [low - slot / 2, high + slot / 2] },
        y: { range: (_plot, low, high) => uPlot.rangeNum(Math.min(low ?? 0, 0), Math.max(high ?? 1, 0) || 1, 0.1, true) },
      },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      cursor: { drag: { x: false, y: false }, y: false },
    };
  }

  // The space of one row: the first and the last one have all of it.
  function slotOf(xs) {
    return Math.min(...xs.slice(1).map((x, place) => x - xs[place]));
  }

  // Bars of several series stand beside each other, unless they are stacked.
  function barsOf(told, slot, number, beside) {
    const width = (0.72 * slot) / beside;
    const shift = beside === 1 ? 0 : (number - (beside - 1) / 2) * width;
    return uPlot.paths.bars({
      disp: {
        x0: { unit: 1, values: () => told.xs.map((x) => x + shift - width / 2) },
        size: { unit: 1, values: () => [width] },
      },
    });
  }

  function below(figure, table) {
    const scrolled = table.closest(".drawing-scroll, .table") ?? table;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    details.className = "chart-figures";
    summary.textContent = "Figures";
    scrolled.before(details);
    details.append(summary, scrolled);
    return details;
  }

  function drawn(figure) {
    const table = figure.querySelector("table");
    if (!table || figure.querySelector(".chart")) return;
    const told = read(table);
    if (told.xs.length < 2 || told.series.length === 0) return;
    const place = document.createElement("div");
    place.className = "chart";
    place.setAttribute("aria-hidden", "true");
    below(figure, table).before(place);
    const ys = figure.dataset.chart === "stacked" ? stacked(told.series).reverse() : told.series.map((one) => one.values);
    let plot = null;
    const draw = () => {
      plot?.destroy();
      plot = new uPlot(optionsOf(figure, told, Math.max(place.clientWidth, 120)), [told.xs, ...ys], place);
    };
    draw();
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === width) return;
      width = place.clientWidth;
      plot.setSize({ width: Math.max(width, 120), height: HEIGHT_PX });
    }).observe(place);
    dark.addEventListener("change", draw);
  }

  function all(root) {
    if (typeof uPlot === "undefined") return;
    for (const figure of root.querySelectorAll("figure[data-chart]")) drawn(figure);
  }

  // The script is deferred, so the whole page is there.
  all(document);
  // A fragment that is put in later has figures of its own.
  document.addEventListener("htmx:load", (event) => all(event.target));
})();
