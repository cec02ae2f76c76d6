// The data of the page, unpacked.

const page = JSON.parse(document.getElementById("data").textContent);

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function unpackPiece(piece) {
  const [T] = piece.frames.shape;
  piece.frames.values = bytes(piece.frames.data);
  if (piece.hidden) piece.hidden.values = bytes(piece.hidden.data);
  if (piece.nats) piece.nats = new Float32Array(bytes(piece.nats).buffer);
  if (piece.labels) piece.labels = piece.labels.map((x) => new Int16Array(bytes(x).buffer));
  if (piece.sound) piece.sound.pcm = new Int16Array(bytes(piece.sound.data).buffer);
  piece.length = T;
  piece.notes = piece.firstNote === null ? [] : notesOf(piece);
  piece.duration = piece.sound ? piece.sound.pcm.length / piece.sound.rate : T * piece.seconds;
}

page.pieces.forEach(unpackPiece);

// Returns the sounding notes of a piano-roll: a key that is on in neighbouring frames is held.
function notesOf(piece) {
  const [T, F] = piece.frames.shape, on = (t, f) => piece.frames.values[t * F + f] > 127;
  const notes = [];
  for (let f = 0; f < F; f++) {
    for (let t = 0; t < T; t++) {
      if (!on(t, f)) continue;
      const start = t;
      while (t + 1 < T && on(t + 1, f)) t++;
      notes.push({ start, end: t + 1, pitch: piece.firstNote + f });
    }
  }
  return notes;
}

function noteName(pitch) {
  const names = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
  return names[pitch % 12] + (Math.floor(pitch / 12) - 1);
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}

function signed(number, digits) {
  return number.toFixed(digits).replace("-", "−");
}

// Returns a new element with properties, in a parent.
function element(parent, name, properties = {}) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  parent?.append(made);
  return made;
}
