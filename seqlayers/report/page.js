// The page: which piece is on the stage, the one cursor, and what clicks and keys do.

const byId = (id) => document.getElementById(id);
const stage = { piece: null, tracks: [], mark: null };
const player = new Player(refresh);
const LEAD = 1; // seconds that are played before a frame that was chosen

function choose(piece) {
  if (stage.piece === piece) return;
  player.stop();
  player.at = 0;
  stage.piece = piece;
  stage.mark = null;
  if (page.worst.length) press(byId("worst"), -1);
  byId("seek").max = piece.duration;
  byId("play").disabled = !canSound(piece);
  const from = piece.start ? `, from frame ${piece.start} on` : "";
  const frames = `${piece.length} frames of ${Number(piece.seconds.toPrecision(3))} s${from}`;
  byId("about").textContent = `${piece.title}: ${frames}. ${piece.note}`;
  for (const button of byId("pieces").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.piece === piece);
  }
  byId("tracks").querySelectorAll("figure").forEach((figure) => figure.remove());
  stage.tracks = tracksOf(piece).map((track) => {
    const figure = element(byId("tracks"), "figure");
    element(figure, "figcaption", { textContent: track.title });
    const canvas = element(figure, "canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${track.title} of ${piece.title}`);
    canvas.addEventListener("click", (event) => {
      const time = timeAt(canvas, event);
      if (track.chooses) playSegment(nearestSegment(piece, time));
      else seek(time);
    });
    return { ...track, canvas };
  });
  const segments = byId("segments");
  segments.replaceChildren();
  piece.segments.forEach(([start, end], n) => {
    const text = `${n + 1}: ${start.toFixed(2)}–${end.toFixed(2)} s`;
    const button = element(segments, "button", { type: "button", textContent: text });
    button.setAttribute("aria-label", `Play segment ${text}`);
    button.addEventListener("click", () => playSegment(n));
  });
  draw();
}

function draw() {
  for (const { draw, canvas } of stage.tracks) draw(canvas, stage.piece);
  refresh();
}

// Returns the place of a time on the tracks, in pixels.
function placeOf(seconds) {
  const inner = byId("tracks").clientWidth - GUTTER;
  return GUTTER + (inner * seconds) / stage.piece.duration;
}

function timeAt(canvas, event) {
  const place = event.clientX - canvas.getBoundingClientRect().left - GUTTER;
  const share = place / (canvas.clientWidth - GUTTER);
  return Math.min(1, Math.max(0, share)) * stage.piece.duration;
}

function play(from, until) {
  if (!canSound(stage.piece)) return;
  // A press of Play at the end starts anew.
  if (from >= stage.piece.duration - 0.01) from = 0;
  const buffer = bufferOf(stage.piece);
  player.play(buffer, from, Math.min(buffer.duration, until ?? buffer.duration));
}

function toggle() {
  if (player.wanted) player.stop();
  else play(player.position);
}

function seek(time) {
  const to = Math.min(stage.piece.duration, Math.max(0, time)), playing = player.wanted;
  player.stop();
  player.at = to;
  if (playing && to < stage.piece.duration - 0.01) play(to);
  refresh();
}

function nearestSegment(piece, time) {
  const away = piece.segments.map(([start, end]) => Math.max(start - time, time - end, 0));
  return away.indexOf(Math.min(...away));
}

function playSegment(n) {
  press(byId("segments"), n);
  play(...stage.piece.segments[n]);
}

// Shows which of some buttons was chosen last.
function press(holder, n) {
  [...holder.children].forEach((each, i) => each.setAttribute("aria-pressed", i === n));
}

function goTo(n) {
  const [number, frame] = page.worst[n], piece = page.pieces[number];
  choose(piece);
  stage.mark = frame;
  press(byId("worst"), n);
  player.stop();
  player.at = Math.max(0, frame * piece.seconds - LEAD);
  play(player.at);
  refresh();
  byId("stage").scrollIntoView({ block: "nearest" });
}

// Shows the state of the player: the cursor, the time, and the frame under the cursor.
function refresh() {
  const { piece } = stage;
  if (!piece) return;
  const position = player.position, seekBar = byId("seek");
  byId("cursor").style.transform = `translateX(${placeOf(position)}px)`;
  byId("mark").hidden = stage.mark === null;
  if (stage.mark !== null) {
    const start = placeOf(stage.mark * piece.seconds);
    byId("mark").style.left = `${start}px`;
    byId("mark").style.width = `${placeOf((stage.mark + 1) * piece.seconds) - start}px`;
  }
  const time = `${clock(position)} / ${clock(piece.duration)}`;
  seekBar.value = position;
  seekBar.setAttribute("aria-valuetext", time);
  byId("time").textContent = time;
  byId("now").textContent = under(piece, frameAt(piece, position));
  byId("play").textContent = !canSound(piece) ? "No sound" : player.playing ? "Stop" : "Play";
}

function frameAt(piece, seconds) {
  return Math.min(piece.length - 1, Math.floor(seconds / piece.seconds + 1e-6));
}

function under(piece, frame) {
  const told = [`frame ${piece.start + frame}`];
  if (piece.nats && Number.isFinite(piece.nats[frame])) {
    told.push(`${signed(piece.nats[frame], 2)} nats`);
  }
  if (piece.labels) {
    const [truth, answer] = piece.labels.map((labels) => page.labelNames[labels[frame]]);
    told.push(`true ${truth}, model ${answer}`);
  }
  if (piece.firstNote !== null) {
    const sounding = piece.notes.filter(({ start, end }) => start <= frame && frame < end);
    told.push(sounding.map(({ pitch }) => noteName(pitch)).join(" ") || "silence");
  }
  return told.join(" · ");
}

function tick() {
  if (player.playing) refresh();
  requestAnimationFrame(tick);
}

// Returns whether a button that has focus leaves its space bar to Play and Stop: that of the piece on
// the stage does, and while it plays that of the segment or the frame that was chosen.
function leavesSpace(button) {
  if (button.getAttribute("aria-pressed") !== "true") return false;
  return player.wanted || byId("pieces").contains(button);
}

let taken = false; // whether the space bar that is down is for Play and Stop

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || !stage.piece) return;
  const step = Math.max(stage.piece.seconds, 0.1) * (event.shiftKey ? 10 : 1);
  if (event.key === " ") {
    const focused = event.target.closest("button, summary, a");
    if (!event.repeat) taken = !focused || leavesSpace(focused);
    if (!taken) return;
    if (!event.repeat) toggle();
  } else if (event.key === "ArrowLeft") seek(player.position - step);
  else if (event.key === "ArrowRight") seek(player.position + step);
  else if (event.key === "Home") seek(0);
  else if (event.key === "End") seek(stage.piece.duration);
  else return;
  event.preventDefault();
}

// Firefox and Chrome click a focused button when the space bar is released.
function onKeyUp(event) {
  if (event.key === " " && taken) event.preventDefault();
}

function listPieces() {
  const groups = new Map();
  for (const piece of page.pieces) {
    if (!piece.group) continue;
    if (!groups.has(piece.group)) {
      const holder = element(byId("pieces"), "div", { className: "buttons" });
      holder.setAttribute("role", "group");
      holder.setAttribute("aria-label", piece.group);
      element(holder, "span", { textContent: piece.group });
      groups.set(piece.group, holder);
    }
    const button = element(groups.get(piece.group), "button", {
      type: "button", textContent: piece.title, piece,
    });
    button.addEventListener("click", () => choose(piece));
  }
  page.worst.forEach(([number, frame], n) => {
    const piece = page.pieces[number], nats = piece.nats ? `: ${signed(piece.nats[frame], 2)}` : "";
    const text = `${piece.title}, frame ${piece.start + frame}${nats}`;
    const button = element(byId("worst"), "button", { type: "button", textContent: text });
    button.addEventListener("click", () => goTo(n));
  });
}

function drawAll() {
  page.charts.forEach((chart, n) => {
    const holder = byId("charts").children[n] ?? element(byId("charts"), "div", { className: "card" });
    drawChart(holder, chart);
  });
  if (page.confusion) drawConfusion(byId("confusion"), page.confusion);
  if (stage.piece) draw();
}

if (page.pieces.length) {
  listPieces();
  byId("play").addEventListener("click", toggle);
  byId("seek").addEventListener("input", (event) => seek(Number(event.target.value)));
  document.addEventListener("keydown", onKey);
  document.addEventListener("keyup", onKeyUp);
  choose(page.pieces[0]);
  requestAnimationFrame(tick);
}
drawAll();
window.addEventListener("resize", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
globalThis.report = { page, player, stage, bufferOf }; // for tests, and for the curious
