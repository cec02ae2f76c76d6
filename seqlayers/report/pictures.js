// Pictures of a piece, one below the other on one axis of time.

const GUTTER = 46; // pixels at the left for labels

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Prepares a canvas for drawing in CSS pixels; returns its context and its size.
function prepared(canvas, height) {
  const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  return { context, width, height, inner: width - GUTTER };
}

function label(view, text, y) {
  view.context.fillStyle = colour("--quiet");
  view.context.textAlign = "right";
  view.context.fillText(text, GUTTER - 6, Math.min(view.height - 6, Math.max(6, y)));
}

// The lowest and the highest key of a piece, at least two octaves apart.
function usedKeys(piece) {
  const pitches = piece.notes.map((note) => note.pitch);
  const low = Math.min(72, ...pitches), high = Math.max(low + 24, ...pitches);
  return [pitches.length ? low - 1 : 48, pitches.length ? high + 1 : 72];
}

function drawRoll(canvas, piece) {
  const [low, high] = usedKeys(piece), keys = high - low + 1;
  const view = prepared(canvas, Math.min(300, Math.max(140, 6 * keys)));
  const { context, inner, height } = view;
  const row = height / keys, column = (inner * piece.seconds) / piece.duration;
  for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) {
    const y = (high - pitch + 0.5) * row;
    context.fillStyle = colour("--line");
    context.fillRect(GUTTER, Math.round(y + row / 2), inner, 1);
    label(view, noteName(pitch), y);
  }
  context.fillStyle = colour("--note");
  for (const { start, end, pitch } of piece.notes) {
    const x = GUTTER + start * column, width = Math.max(1, (end - start) * column - 1);
    context.fillRect(x, (high - pitch) * row, width, Math.max(2, row - 1));
  }
}

// Draws an image of bytes, its first column at the bottom, in shades between colours.
function drawImage(view, image, columns, palette, left = GUTTER) {
  const [T, F] = image.shape, stops = palette.map(parse);
  const shades = Array.from({ length: 256 }, (_, n) => {
    const at = (n / 255) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(at));
    return stops[k].map((c, i) => c + (at - k) * (stops[k + 1][i] - c));
  });
  const small = document.createElement("canvas");
  small.width = T;
  small.height = F;
  const pixels = new ImageData(T, F);
  for (let t = 0; t < T; t++) {
    for (let f = 0; f < F; f++) {
      const shade = shades[image.values[t * F + f]], at = 4 * ((F - 1 - f) * T + t);
      for (let i = 0; i < 3; i++) pixels.data[at + i] = shade[i];
      pixels.data[at + 3] = 255;
    }
  }
  small.getContext("2d").putImageData(pixels, 0, 0);
  view.context.imageSmoothingEnabled = false;
  view.context.drawImage(small, left, 0, columns, view.height);
}

function parse(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function widthOfFrames(view, piece) {
  return (view.inner * piece.length * piece.seconds) / piece.duration;
}

const SPECTRUM = ["#00204d", "#31446b", "#666970", "#958f78", "#cbba69", "#ffea46"]; // cividis

function drawSpectrogram(canvas, piece) {
  const view = prepared(canvas, 200);
  drawImage(view, piece.frames, widthOfFrames(view, piece), SPECTRUM);
  if (piece.top === null) return;
  const kilo = piece.top / 1000, step = kilo > 12 ? 5 : kilo > 5 ? 2 : 1;
  for (let at = 0; at <= kilo; at += step) {
    label(view, at ? `${at} kHz` : "0", view.height * (1 - at / kilo));
  }
}

function drawHidden(canvas, piece) {
  const units = piece.hidden.shape[1];
  const view = prepared(canvas, Math.min(180, Math.max(48, 4 * units)));
  drawImage(view, piece.hidden, widthOfFrames(view, piece), [colour("--card"), colour("--unit")]);
  label(view, String(units), 6);
  label(view, "1", view.height - 6);
}

function drawNats(canvas, piece) {
  const view = prepared(canvas, 100), { context, height } = view;
  const finite = piece.nats.filter(Number.isFinite);
  const low = finite.length ? Math.min(...finite) : -1, high = finite.length ? Math.max(...finite) : 0;
  const y = (nats) => 6 + ((high - nats) / (high - low || 1)) * (height - 14);
  const column = widthOfFrames(view, piece) / piece.length;
  context.fillStyle = colour("--nats");
  piece.nats.forEach((nats, t) => {
    if (Number.isNaN(nats)) return;
    const top = Number.isFinite(nats) ? y(nats) : height;
    context.fillRect(GUTTER + t * column, 4, Math.max(1, column - (column > 3 ? 1 : 0)), top - 2);
  });
  context.fillStyle = colour("--bad");
  for (const [n, t] of page.worst) {
    if (page.pieces[n] !== piece) continue;
    context.beginPath();
    context.arc(GUTTER + (t + 0.5) * column, Math.min(height - 4, y(piece.nats[t])), 4, 0, 7);
    context.fill();
  }
  label(view, signed(high, 1), 6);
  label(view, signed(low, 1), height - 6);
}

function drawSegments(canvas, piece) {
  const view = prepared(canvas, 26), { context, inner } = view;
  context.textAlign = "center";
  piece.segments.forEach(([start, end], n) => {
    const x = GUTTER + (inner * start) / piece.duration;
    const width = Math.max(3, (inner * (end - start)) / piece.duration);
    context.fillStyle = colour("--unit");
    context.fillRect(x, 2, width, 22);
    if (width < 16) return;
    context.fillStyle = colour("--card");
    context.fillText(String(n + 1), x + width / 2, 14);
  });
}

// Draws true and predicted labels as two strips; what is predicted wrongly is marked.
function drawLabels(canvas, piece) {
  const view = prepared(canvas, 56), { context } = view;
  const column = widthOfFrames(view, piece) / piece.length, [truth, answer] = piece.labels;
  context.textAlign = "center";
  [truth, answer].forEach((labels, strip) => {
    const y = 2 + 27 * strip;
    for (let t = 0; t < labels.length; ) {
      const start = t, wrong = labels[start] !== truth[start];
      while (t < labels.length && labels[t] === labels[start] && (labels[t] !== truth[t]) === wrong) t++;
      const x = GUTTER + start * column, width = (t - start) * column;
      context.fillStyle = colour(wrong ? "--bad" : "--strip");
      context.fillRect(x, y, Math.max(1, width - 1), 24);
      const name = page.labelNames[labels[start]];
      context.fillStyle = colour(wrong ? "--card" : "--ink");
      if (context.measureText(name).width < width - 3) context.fillText(name, x + width / 2, y + 12);
    }
  });
  label(view, "true", 14);
  label(view, "model", 41);
}

// The pictures of a piece: title, how to draw it, and whether a click on it chooses a segment.
function tracksOf(piece) {
  const tracks = [];
  if (piece.firstNote !== null) tracks.push({ title: "notes", draw: drawRoll });
  else tracks.push({ title: piece.top === null ? "frames" : "spectrogram", draw: drawSpectrogram });
  if (piece.segments.length) {
    tracks.push({ title: "segments; a click plays one", draw: drawSegments, chooses: true });
  }
  if (piece.labels) tracks.push({ title: "labels", draw: drawLabels });
  if (piece.nats) tracks.push({ title: "log-probability, nats a frame", draw: drawNats });
  if (piece.hidden) tracks.push({ title: piece.hidden.name, draw: drawHidden });
  return tracks;
}

function drawConfusion(canvas, { names, shape, data }) {
  const view = prepared(canvas, Math.max(100, canvas.clientWidth - GUTTER)), { context } = view;
  const values = bytes(data), cell = (view.width - GUTTER) / shape[0];
  const [from, to] = [colour("--card"), colour("--note")].map(parse);
  for (let row = 0; row < shape[0]; row++) {
    for (let column = 0; column < shape[1]; column++) {
      const share = values[row * shape[1] + column] / 255;
      context.fillStyle = `rgb(${from.map((c, i) => Math.round(c + share * (to[i] - c)))})`;
      context.fillRect(GUTTER + column * cell, row * cell, cell, cell);
    }
    if (row % Math.ceil(11 / cell) === 0) label(view, names[row], (row + 0.5) * cell);
  }
}
