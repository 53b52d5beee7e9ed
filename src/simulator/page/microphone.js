// A message from the microphone: a WAV file of 8 kHz, one channel, 16 bits, as a telephone line carries it.

const RATE = 8000;

/** The microphone cannot be had: `reason` names the word that says why. */
export class NoMicrophone extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** One message, from opening the microphone to its WAV file. */
export class Message {
  /** Opens the microphone. `heard(seconds, level)` is called as it goes on, `broken()` when it goes away. */
  static async begin(heard, broken) {
    if (!navigator.mediaDevices || !globalThis.AudioWorkletNode) throw new NoMicrophone('microphone_insecure');
    let stream;
    try {
      // The line is silent while it records: there is no echo to take out.
      stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: false } });
    } catch (error) {
      const refused = error.name === 'NotAllowedError' || error.name === 'SecurityError';
      throw new NoMicrophone(refused ? 'microphone_refused' : 'microphone_none');
    }
    const message = new Message(stream);
    try {
      await message.listen(heard, broken);
    } catch {
      message.close();
      throw new NoMicrophone('microphone_none');
    }
    return message;
  }

  constructor(stream) {
    this.stream = stream;
    this.context = new AudioContext();
    this.pieces = [];
    this.samples = 0;
  }

  async listen(heard, broken) {
    await this.context.audioWorklet.addModule('/phone/assets/recorder.js');
    // One channel, mixed down from however many the microphone has.
    const one = { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' };
    this.recorder = new AudioWorkletNode(this.context, 'recorder', one);
    this.ended = new Promise((done) => {
      this.recorder.port.onmessage = ({ data }) => {
        if (!data) return done();
        this.pieces.push(data);
        this.samples += data.length;
        heard(this.seconds, loudness(data));
      };
    });
    for (const track of this.stream.getTracks()) track.onended = broken;
    new MediaStreamAudioSourceNode(this.context, { mediaStream: this.stream }).connect(this.recorder);
    await this.context.resume();
  }

  /** How long it is so far. */
  get seconds() {
    return this.samples / RATE;
  }

  /** Ends it: the WAV file. */
  async end() {
    this.recorder.port.postMessage('end');
    await this.ended;
    this.close();
    return wav(this.pieces, this.samples);
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}

/** From 0, nothing, to 1: as an ear tells it, not as the numbers are. */
function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += (sample / 32768) ** 2;
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-9);
  return Math.max(0, Math.min(1, (decibels + 60) / 60));
}

function wav(pieces, samples) {
  const head = new DataView(new ArrayBuffer(44));
  const bytes = samples * 2;
  const text = (at, letters) => [...letters].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  head.setUint32(4, 36 + bytes, true);
  text(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // one channel
  head.setUint32(24, RATE, true);
  head.setUint32(28, RATE * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, 'data');
  head.setUint32(40, bytes, true);
  // The pieces are in this machine's order of bytes, which is WAV's on everything that runs a browser.
  return new Blob([head, ...pieces], { type: 'audio/wav' });
}
