// From a microphone's rate down to the telephone's: a low-pass (a sinc in a Blackman window) evaluated where the new
// samples fall, so that what a telephone cannot carry is taken out instead of coming back as another tone.

// Zero crossings of the sinc on each side: with this many, 60 dB are gone 400 Hz above the edge.
const CROSSINGS = 24;
// Points of the kernel's table for each old sample; between them it is interpolated.
const FINENESS = 32;
// The edge as a part of the new rate: half is where folding begins.
const EDGE = 0.45;

/** Takes blocks at `from` hertz and gives blocks at `to` hertz, `to` being less than `from`. */
export class Resampler {
  constructor(from, to) {
    this.step = from / to;
    // The edge in cycles an old sample, and how many old samples the kernel reaches to each side.
    const edge = (Math.min(from, to) * EDGE) / from;
    this.reach = Math.ceil(CROSSINGS / (2 * edge));
    this.kernel = new Float32Array(this.reach * FINENESS + 2);
    for (let i = 0; i < this.reach * FINENESS; i += 1) {
      const x = i / FINENESS;
      const angle = 2 * Math.PI * edge * x;
      const sinc = x === 0 ? 1 : Math.sin(angle) / angle;
      const turn = (Math.PI * x) / this.reach;
      const blackman = 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn);
      this.kernel[i] = 2 * edge * sinc * blackman;
    }
    // Silence before the beginning, so that the first sample has neighbours.
    this.old = new Float32Array(this.reach);
    this.position = this.reach;
  }

  /** The new samples that can be told once `block` has come. */
  push(block) {
    const old = new Float32Array(this.old.length + block.length);
    old.set(this.old);
    old.set(block, this.old.length);
    const out = [];
    while (this.position + this.reach < old.length) {
      out.push(this.at(old, this.position));
      this.position += this.step;
    }
    const used = Math.max(0, Math.floor(this.position) - this.reach);
    this.old = old.slice(used);
    this.position -= used;
    return Float32Array.from(out);
  }

  /** The rest. */
  end() {
    return this.push(new Float32Array(this.reach));
  }

  at(old, position) {
    let sum = 0;
    const first = Math.ceil(position - this.reach);
    const last = Math.floor(position + this.reach);
    for (let i = Math.max(0, first); i <= last; i += 1) {
      const place = Math.abs(i - position) * FINENESS;
      const whole = Math.floor(place);
      const part = place - whole;
      sum += old[i] * (this.kernel[whole] * (1 - part) + this.kernel[whole + 1] * part);
    }
    return sum;
  }
}
