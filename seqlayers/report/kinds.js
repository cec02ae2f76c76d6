// The page of kinds: a map of segments, each heard when it is chosen, and examples of each kind.

const byId = (id) => document.getElementById(id);
const WIDTH = 900, HEIGHT = 560, EDGE = 24; // of the map, in units of its drawing
const COLOURS = 7, EXAMPLES = 3, WINDOW = 0.008; // seconds of a frame of a spectrogram
const RANGE = 60; // dB of a spectrogram
const SHAPES = [ // around (0, 0); the last two are lines
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", "M-3.6 -3.6h7.2v7.2h-7.2Z", "M0 -4.8L4.6 3.4H-4.6Z",
  "M0 -5L5 0L0 5L-5 0Z", "M-4 -4L4 4M4 -4L-4 4", "M-5 0H5M0 -5V5",
];
const OPEN = 4; // shapes from this one on are lines
const NO_KIND = "M-3 0H3";

const segments = unpackSegments();
const kinds = [...new Set(segments.map(({ kind }) => kind))].sort((a, b) => (a || 1e9) - (b || 1e9));
const rate = page.sound.rate, pcm = new Int16Array(bytes(page.sound.data).buffer);
const heard = segments.filter(({ length }) => length);
const player = new Player(() => {});
const state = { chosen: null, alone: null, buffer: null };

function unpackSegments() {
  const { numbers, confidence, places, times, owners, lengths } = page;
  const as = (type, text) => new type(bytes(text).buffer);
  const kind = as(Int16Array, numbers), sure = as(Float32Array, confidence);
  const place = as(Float32Array, places), time = as(Float64Array, times);
  const owner = as(Int32Array, owners), length = as(Int32Array, lengths);
  const all = [[], []];
  place.forEach((at, n) => all[n % 2].push(at));
  const [[x0, x1], [y0, y1]] = all.map((each) => // Math.min takes too few arguments
    each.reduce(([low, high], at) => [Math.min(low, at), Math.max(high, at)], [Infinity, -Infinity]));
  const scale = Math.min((WIDTH - 2 * EDGE) / (x1 - x0 || 1), (HEIGHT - 2 * EDGE) / (y1 - y0 || 1));
  let first = 0;
  return Array.from(kind, (number, n) => {
    const own = {
      n, kind: number, sure: sure[n], start: time[2 * n], end: time[2 * n + 1],
      recording: page.recordings[owner[n]], first, length: length[n],
      x: WIDTH / 2 + scale * (place[2 * n] - (x0 + x1) / 2),
      y: HEIGHT / 2 - scale * (place[2 * n + 1] - (y0 + y1) / 2),
    };
    first += length[n];
    return own;
  });
}

function nameOf(kind) {
  return kind ? `Kind ${kind}` : "No kind";
}

function look(kind) {
  if (!kind) return { colour: "no-kind", shape: NO_KIND, open: " open" };
  const n = (kind - 1) % SHAPES.length;
  return { colour: `kind-${(kind - 1) % COLOURS}`, shape: SHAPES[n], open: n < OPEN ? "" : " open" };
}

function drawMap() {
  const grow = Math.min(2.2, Math.max(1, WIDTH / byId("map").clientWidth)); // marks on narrow screens
  const picture = svg(byId("map"), "svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", width: WIDTH, height: HEIGHT,
  });
  const labels = [];
  for (const kind of kinds) {
    const own = segments.filter((each) => each.kind === kind), { colour, shape, open } = look(kind);
    const group = svg(picture, "g", { class: colour, "data-kind": kind });
    const at = ({ x, y }) => `M${x.toFixed(1)} ${y.toFixed(1)}`;
    const dots = own.filter(({ length }) => !length).map((each) => `${at(each)}h0`).join("");
    svg(group, "path", { class: "dots", d: dots });
    for (const each of own) {
      if (!each.length) continue;
      const place = `translate(${each.x.toFixed(1)} ${each.y.toFixed(1)})`;
      const transform = `${place} scale(${grow.toFixed(2)})`;
      svg(group, "path", { class: `marks${open}`, d: shape, transform });
    }
    if (!kind) continue;
    const middle = (key) => own.map((each) => each[key]).sort((a, b) => a - b)[own.length >> 1];
    labels.push([middle("x"), middle("y"), kind]);
  }
  for (const [x, y, kind] of labels) {
    const name = svg(picture, "text", { x, y: y - 8 * grow, "text-anchor": "middle" }, kind);
    name.style.fontSize = `${14 * grow}px`;
  }
  svg(picture, "circle", { id: "ring", r: 9 * grow, visibility: "hidden" });
}

function buffer() {
  if (!state.buffer) {
    state.buffer = new AudioBuffer({ length: Math.max(1, pcm.length), sampleRate: rate });
    state.buffer.copyToChannel(Float32Array.from(pcm, (x) => x / 32768), 0);
  }
  return state.buffer;
}

function choose(segment) {
  state.chosen = segment;
  const ring = byId("ring");
  ring.setAttribute("cx", segment.x);
  ring.setAttribute("cy", segment.y);
  ring.setAttribute("visibility", "visible");
  drawSegment(byId("picture"), segment);
  const { start, end, recording, sure } = segment;
  byId("now").textContent = `${nameOf(segment.kind)} · ${recording}, ${start.toFixed(3)} to `
    + `${end.toFixed(3)} s, ${Math.round(1000 * (end - start))} ms · confidence ${sure.toFixed(2)}`;
  player.play(buffer(), segment.first / rate, (segment.first + segment.length) / rate);
}

// Returns the segments that can be chosen: those with sound, of the kind that is shown alone.
function shown() {
  return state.alone === null ? heard : heard.filter(({ kind }) => kind === state.alone);
}

function least(candidates, distance) {
  let best = null, found = Infinity;
  for (const each of candidates) {
    const away = distance(each);
    if (away < found) [best, found] = [each, away];
  }
  return best;
}

function onClick(event) {
  const box = byId("map").querySelector("svg").getBoundingClientRect();
  const scale = Math.max(WIDTH / box.width, HEIGHT / box.height); // the drawing is in the middle
  const x = WIDTH / 2 + (event.clientX - box.left - box.width / 2) * scale;
  const y = HEIGHT / 2 + (event.clientY - box.top - box.height / 2) * scale;
  const nearest = least(shown(), (each) => Math.hypot(each.x - x, each.y - y));
  if (nearest) choose(nearest);
}

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Goes to the nearest segment within 45 degrees of a direction.
function go([dx, dy]) {
  const from = state.chosen;
  if (!from) {
    if (shown().length) choose(shown()[0]);
    return;
  }
  const next = least(shown(), (each) => {
    const [x, y] = [each.x - from.x, each.y - from.y];
    const along = x * dx + y * dy, across = Math.abs(x * dy - y * dx);
    return each === from || along <= 0 || across > along ? Infinity : along + 2 * across;
  });
  if (next) choose(next);
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in DIRECTIONS) go(DIRECTIONS[event.key]);
  else if (event.key === " " || event.key === "Enter") state.chosen ? choose(state.chosen) : go([1, 0]);
  else return;
  event.preventDefault();
}

function showAlone(kind) {
  state.alone = state.alone === kind ? null : kind;
  for (const group of byId("map").querySelectorAll("g")) {
    const faint = state.alone !== null && Number(group.dataset.kind) !== state.alone;
    group.classList.toggle("faint", faint);
  }
  for (const button of byId("list").querySelectorAll("button[aria-pressed]")) {
    button.setAttribute("aria-pressed", button.kind === state.alone);
  }
}

// Returns magnitudes of the frames of a segment, which may begin and end in silence.
function spectra({ first, length }) {
  const N = 2 * Math.round((WINDOW * rate) / 2), hop = Math.max(1, Math.round(N / 4)), bins = N / 2 + 1;
  const T = Math.min(120, 1 + Math.ceil(length / hop)), step = length / Math.max(1, T - 1);
  const turns = Array.from({ length: N }, (_, n) => [
    Math.cos((2 * Math.PI * n) / N), Math.sin((2 * Math.PI * n) / N),
  ]);
  const values = new Float32Array(T * bins), frame = new Float32Array(N);
  for (let t = 0; t < T; t++) {
    const start = Math.round(t * step) - N / 2;
    for (let n = 0; n < N; n++) {
      const inside = start + n >= 0 && start + n < length;
      frame[n] = inside ? pcm[first + start + n] * (0.5 - 0.5 * turns[n][0]) : 0;
    }
    for (let k = 0; k < bins; k++) {
      let re = 0, im = 0;
      for (let n = 0; n < N; n++) {
        const [cos, sin] = turns[(k * n) % N];
        re += frame[n] * cos;
        im += frame[n] * sin;
      }
      values[t * bins + k] = Math.hypot(re, im);
    }
  }
  return { shape: [T, bins], values };
}

function drawSegment(canvas, segment) {
  const { shape, values } = spectra(segment), top = values.reduce((a, b) => Math.max(a, b), 1e-6);
  const shade = (x) => 255 * (1 + (20 * Math.log10(x / top + 1e-9)) / RANGE);
  const image = { shape, values: Uint8Array.from(values, (x) => Math.max(0, shade(x))) };
  const view = prepared(canvas, canvas.clientHeight || 84);
  drawImage(view, image, view.width, SPECTRUM, 0);
}

function listKinds() {
  for (const kind of kinds) {
    const own = segments.filter((each) => each.kind === kind), { colour, shape, open } = look(kind);
    const card = element(byId("list"), "div", { className: "card" });
    const title = element(card, "button", { type: "button", className: "title", kind });
    title.setAttribute("aria-pressed", false);
    const symbol = svg(title, "svg", { viewBox: "-6 -6 12 12", width: 16, height: 16, class: colour });
    svg(symbol, "path", { class: `symbol${open}`, d: shape });
    element(title, "span", { textContent: nameOf(kind) });
    title.addEventListener("click", () => showAlone(kind));
    const lengths = own.map(({ start, end }) => end - start).sort((a, b) => a - b);
    const median = Math.round(1000 * lengths[lengths.length >> 1]);
    const count = `${own.length} segment${own.length === 1 ? "" : "s"}`;
    element(card, "p", { className: "about", textContent: `${count}, median ${median} ms` });
    const holder = element(card, "div", { className: "examples" });
    const sure = own.filter(({ length }) => length).sort((a, b) => b.sure - a.sure || a.n - b.n);
    sure.slice(0, EXAMPLES).forEach((each, n) => {
      const button = element(holder, "button", { type: "button" });
      button.setAttribute("aria-label", `Play example ${n + 1} of ${nameOf(kind).toLowerCase()}`);
      button.addEventListener("click", () => choose(each));
      drawSegment(element(button, "canvas"), each);
    });
  }
}

drawMap();
listKinds();
byId("map").addEventListener("click", onClick);
byId("map").addEventListener("keydown", onKey);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.alone !== null) showAlone(state.alone);
});
globalThis.report = { page, player, segments, state }; // for tests, and for the curious
