// Charts of the training, drawn as SVG at the width that there is.

const STYLES = ["", "7 3", "2 3", "9 3 2 3"]; // curves differ in colour and in dashes

function svg(parent, name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

// Returns round numbers between two ends, at most about `count`.
function ticks(low, high, count, integers = false) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  let step = power * [1, 2, 5, 10].find((k) => k * power >= rough * 0.999);
  if (integers) step = Math.max(1, Math.round(step));
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function drawChart(holder, chart) {
  holder.replaceChildren();
  element(holder, "h3", { textContent: chart.title });
  const points = chart.curves.map(({ x, y }) => // null where a number is not finite
    x.map((each, n) => (each === null || y[n] === null ? null : [each, y[n]])));
  const all = points.flat().filter(Boolean);
  if (!all.length) {
    element(holder, "p", { textContent: "There is no finite number yet." });
    return;
  }
  const width = Math.max(240, holder.clientWidth - 32), height = 230;
  const left = 58, right = width - 12, top = 10, bottom = height - 36;
  const xs = all.map(([x]) => x), ys = [...all.map(([, y]) => y), ...chart.levels.map(([, y]) => y)];
  let [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  if (x0 === x1) [x0, x1] = [x0 - 1, x1 + 1];
  const room = 0.06 * (y1 - y0) || Math.abs(y0) * 0.1 || 1;
  [y0, y1] = [y0 - room, y1 + room];
  const X = (x) => left + ((x - x0) / (x1 - x0)) * (right - left);
  const Y = (y) => bottom - ((y - y0) / (y1 - y0)) * (bottom - top);
  const names = chart.curves.map((curve) => curve.name).join(", ");
  const picture = svg(holder, "svg", {
    viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${chart.title}: ${names}, from ${signed(all[0][1], 3)} to ${signed(all.at(-1)[1], 3)}`,
  });
  const vertical = ticks(y0, y1, 5), horizontal = ticks(x0, x1, Math.min(8, width / 80), true);
  for (const y of vertical.found) {
    svg(picture, "line", { class: "grid", x1: left, x2: right, y1: Y(y), y2: Y(y) });
    svg(picture, "text", { x: left - 6, y: Y(y) + 4, "text-anchor": "end" }, signed(y, vertical.digits));
  }
  for (const x of horizontal.found) {
    svg(picture, "text", { x: X(x), y: bottom + 16, "text-anchor": "middle" }, x);
  }
  svg(picture, "text", { x: (left + right) / 2, y: height - 4, "text-anchor": "middle" }, "epoch");
  let lowest = -Infinity; // names of levels that lie close are moved apart
  for (const [name, y] of [...chart.levels].sort((a, b) => b[1] - a[1])) {
    svg(picture, "line", { class: "level", x1: left, x2: right, y1: Y(y), y2: Y(y) });
    lowest = Math.max(Y(y) - 4, lowest + 14);
    svg(picture, "text", { x: right, y: lowest, "text-anchor": "end", class: "name" }, name);
  }
  points.forEach((curve, n) => {
    const style = { class: `curve curve-${n % 4}`, "stroke-dasharray": STYLES[n % 4] };
    let path = "";
    curve.forEach((point, i) => {
      if (!point) return; // a gap
      const [x, y] = point.map((each, axis) => (axis ? Y : X)(each).toFixed(1));
      path += `${curve[i - 1] ? "L" : "M"}${x} ${y}`;
      const alone = !curve[i - 1] && !curve[i + 1];
      if (alone || curve.length <= 30) {
        svg(picture, "circle", { class: `dot-${n % 4}`, cx: x, cy: y, r: 2.5 });
      }
    });
    svg(picture, "path", { ...style, d: path });
  });
  const legend = element(holder, "p", { className: "legend" });
  chart.curves.forEach((curve, n) => {
    const entry = element(legend, "span");
    const swatch = svg(entry, "svg", { width: 26, height: 10, "aria-hidden": "true" });
    const style = { class: `curve curve-${n % 4}`, "stroke-dasharray": STYLES[n % 4] };
    svg(swatch, "path", { ...style, d: "M1 5L25 5" });
    const last = points[n].findLast(Boolean);
    const told = last ? `last ${signed(last[1], 3)}` : "none finite";
    element(entry, "span", { textContent: ` ${curve.name}, ${told} ${chart.unit}` });
  });
}
