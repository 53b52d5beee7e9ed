// What is to be heard, one thing after the other. Nothing here is needed to go on: the words stand on the page.

let muted = false;
let queue = Promise.resolve();
// Everything waiting belongs to a round; stopping begins another one.
let round = 0;
let quiet = () => {};
let waiting = 0;
let tell = () => {};

// Voices are loaded the first time somebody asks for them.
globalThis.speechSynthesis?.getVoices();

/** Calls `callback` whenever it begins or ends to speak. */
export function onChange(callback) {
  tell = callback;
}

/** Whether something is being heard, or about to be. */
export function speaking() {
  return waiting > 0;
}

export function isMuted() {
  return muted;
}

export function mute(on) {
  muted = on;
  if (on) stop();
}

/** The caller does something: the line falls silent. */
export function stop() {
  round += 1;
  waiting = 0;
  quiet();
  globalThis.speechSynthesis?.cancel();
  tell();
}

function enqueue(play) {
  if (muted) return;
  const own = round;
  waiting += 1;
  tell();
  queue = queue.then(async () => {
    if (own !== round) return;
    await new Promise((done) => {
      quiet = done;
      play(done);
    });
    quiet = () => {};
    if (own !== round) return;
    waiting -= 1;
    tell();
  });
}

/** Says words. Where no voice speaks the language they are only to be read. */
export function say(text, language) {
  const synthesis = globalThis.speechSynthesis;
  // The line names Mandarin itself, most voices name Chinese.
  const wanted = language.replace(/^cmn/, 'zh');
  const tag = (voice) => voice.lang.replace('_', '-').replace(/^cmn/, 'zh');
  const voices = synthesis?.getVoices() ?? [];
  const own = voices.filter((voice) => tag(voice).startsWith(wanted.split('-')[0]));
  if (own.length === 0) return;
  enqueue((done) => {
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.lang = wanted;
    utterance.voice = own.find((voice) => tag(voice) === wanted) ?? own[0];
    utterance.onend = done;
    utterance.onerror = done;
    synthesis.speak(utterance);
  });
}

/** The beep before a recording. */
export function beep() {
  enqueue((done) => {
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 1000 });
    const loudness = new GainNode(context, { gain: 0.15 });
    tone.connect(loudness).connect(context.destination);
    const end = () => {
      if (context.state !== 'closed') context.close();
      done();
    };
    tone.onended = end;
    tone.start();
    tone.stop(context.currentTime + 0.25);
    quiet = end;
    // A machine without loudspeakers never gets to the end of it.
    if (context.state === 'suspended') end();
  });
}

/** Plays an audio element. */
export function play(audio) {
  enqueue((done) => {
    audio.onended = done;
    audio.onerror = done;
    quiet = () => {
      audio.pause();
      done();
    };
    audio.play().catch(done);
  });
}
