// Sound. A piece is one buffer, whether it was recorded or is played here by a small synthesiser.
// The cursor reads the clock that the sound is played by: they cannot drift apart.

const SYNTH_RATE = 22050;
const PARTIALS = [[1, 1], [0.45, 1.6], [0.22, 2.4], [0.1, 3.4]]; // amplitude, speed of decay

// Returns the samples of the notes of a piano-roll: decaying harmonics, as of a plucked string.
function synthesise(piece) {
  const samples = new Float32Array(Math.max(1, Math.round(piece.duration * SYNTH_RATE)));
  const attack = 0.006 * SYNTH_RATE, release = 0.04 * SYNTH_RATE;
  for (const note of piece.notes) {
    const first = Math.round(note.start * piece.seconds * SYNTH_RATE);
    const length = Math.round(note.end * piece.seconds * SYNTH_RATE) - first;
    const frequency = 440 * 2 ** ((note.pitch - 69) / 12);
    const loudness = Math.min(1.6, (440 / frequency) ** 0.3);
    PARTIALS.forEach(([amplitude, speed], n) => {
      const angle = (2 * Math.PI * frequency * (n + 1)) / SYNTH_RATE;
      if (angle > 0.9 * Math.PI) return;
      const decay = Math.exp(-speed / (0.9 * SYNTH_RATE)), turn = 2 * Math.cos(angle);
      let before = -Math.sin(angle), now = 0, level = loudness * amplitude;
      for (let i = 0; i < length; i++) {
        const edge = Math.min(1, i / attack, (length - i) / release);
        samples[first + i] += level * edge * now;
        [before, now] = [now, turn * now - before]; // sin of the next angle
        level *= decay;
      }
    });
  }
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  if (peak > 0) for (let i = 0; i < samples.length; i++) samples[i] *= 0.7 / peak;
  return samples;
}

function bufferOf(piece) {
  if (!piece.buffer) {
    const rate = piece.sound ? piece.sound.rate : SYNTH_RATE;
    const samples = piece.sound ? Float32Array.from(piece.sound.pcm, (x) => x / 32768)
      : synthesise(piece);
    piece.buffer = new AudioBuffer({ length: samples.length, sampleRate: rate });
    piece.buffer.copyToChannel(samples, 0);
  }
  return piece.buffer;
}

function canSound(piece) {
  return Boolean(piece.sound) || piece.firstNote !== null;
}

class Player {
  constructor(onchange) {
    this.onchange = onchange;
    this.context = this.output = this.source = null;
    this.at = 0; // seconds in the piece, while nothing plays
    this.turn = 0; // of calls of play and stop: a later one wins
    this.wanted = false; // whether it plays, or will as soon as the browser lets it
  }

  get playing() {
    return this.source !== null;
  }

  // Seconds on the clock of the audio context of what leaves the loudspeaker now.
  heard() {
    const latency = this.context.outputLatency || 0;
    const sure = this.context.currentTime - latency;
    const { contextTime, performanceTime } = this.context.getOutputTimestamp?.() ?? {};
    if (!contextTime) return sure;
    // `currentTime` moves in steps of a hardware buffer; the time stamp can be read between them.
    const finer = contextTime + (performance.now() - performanceTime) / 1000;
    return Math.abs(finer - sure) < 0.1 ? finer : sure;
  }

  get position() {
    if (!this.playing) return this.at;
    return Math.min(this.until, this.from + Math.max(0, this.heard() - this.began));
  }

  async play(buffer, from, until = buffer.duration) {
    this.halt();
    const turn = this.turn;
    [this.at, this.wanted] = [from, true];
    if (!this.context) {
      this.context = new AudioContext();
      this.output = this.context.createGain();
      this.output.connect(this.context.destination);
    }
    // Browsers start it after a click or a key alone.
    if (this.context.state !== "running") await this.context.resume();
    if (turn !== this.turn) return;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    [this.source, this.from, this.until] = [source, from, until];
    this.began = this.context.currentTime + 0.02;
    source.onended = () => {
      if (this.source !== source) return;
      this.halt();
      this.at = until;
      this.onchange();
    };
    source.start(this.began, from, until - from);
    this.onchange();
  }

  halt() {
    this.at = this.position;
    this.turn++;
    this.wanted = false;
    const source = this.source;
    this.source = null;
    if (source) {
      source.onended = null;
      source.stop();
    }
  }

  stop() {
    this.halt();
    this.onchange();
  }
}
