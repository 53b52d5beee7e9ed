// On the audio thread: what the microphone hears, as 16-bit samples at 8 kHz.

import { Resampler } from './resampler.js';

const RATE = 8000;
// Posted in pieces of an eighth of a second.
const PIECE = RATE / 8;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.take(this.resampler.end());
      this.post();
      this.ended = true;
      this.port.postMessage(null);
    };
  }

  process([channels]) {
    if (this.ended) return false;
    // No channels: nothing is connected yet.
    if (channels.length > 0) this.take(this.resampler.push(channels[0]));
    return true;
  }

  take(samples) {
    for (const sample of samples) {
      this.piece[this.filled] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      this.filled += 1;
      if (this.filled === PIECE) this.post();
    }
  }

  post() {
    this.port.postMessage(this.piece.slice(0, this.filled));
    this.filled = 0;
  }
}

registerProcessor('recorder', Recorder);
