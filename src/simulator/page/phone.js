// The telephone: what is shown, and what the caller does. One state at a time, in `data-state` of <main>:
// idle, ringing, keys, speech, taking, spoken, unsent, sending, rung, talk, over. While somebody is `rung`, or the caller
// in `talk` with them, the call goes on without keys.

import { Call, Lost, Refused, sample } from './line.js';
import { Message, NoMicrophone } from './microphone.js';
import * as voice from './voice.js';
import { changeLanguage, fillIn, language, words } from './words.js';

const by = (id) => document.getElementById(id);
const phone = by('phone');

/** What is shown in which state. */
const SHOWN = {
  dial: ['idle', 'over'],
  keypad: ['keys', 'speech', 'taking', 'spoken', 'unsent', 'sending'],
  going: ['keys', 'speech', 'taking', 'spoken', 'unsent', 'sending', 'rung', 'talk'],
  speech: ['speech', 'taking', 'unsent'],
  speak: ['speech'],
  sample: ['speech'],
  taking: ['taking'],
  stop: ['taking'],
  resend: ['unsent'],
};

let state = 'idle';
let call = null;
// What the line waits for, as it told last.
let waiting = null;
// A message being spoken into the microphone.
let message = null;
// A message that was spoken and has not arrived: `{wav, seconds}`.
let unsent = null;
let receipt = null;
// What went wrong, told in whatever language is chosen: a function of the words.
let problem = null;
// The transcript's entries: `{who, text, lang, audio}`, `text` a function of the words.
let said = [];

// ---- what is shown --------------------------------------------------------------------------------------------------

function show(next) {
  state = next;
  phone.dataset.state = state;
  const focused = document.activeElement;
  for (const [id, states] of Object.entries(SHOWN)) by(id).hidden = !states.includes(state);
  by('receipt').hidden = !(state === 'over' && receipt);
  // Whoever works with the keyboard must not lose their place.
  if (focused?.closest('[hidden]')) by(state === 'taking' ? 'stop' : 'state').focus();
  describe();
}

/** Everything in words, apart from the transcript. */
function describe() {
  const w = words();
  by('state').textContent = w[state];
  by('hint').textContent = hint(w);
  by('talking').hidden = !voice.speaking();
  by('receipt-digits').textContent = receipt ? receipt.match(/.{4}/g).join(' ') : '';
  by('problem').textContent = problem ? problem(w) : '';
  by('problem').hidden = !problem;
}

function hint(w) {
  switch (state) {
    case 'keys':
      return w.hint_keys(waiting.seconds);
    case 'speech':
      return w.hint_speech(duration(w, waiting.max_seconds));
    default:
      return w[`hint_${state}`];
  }
}

function duration(w, seconds) {
  return seconds % 60 === 0 ? w.minutes(seconds / 60) : w.seconds(seconds);
}

function complain(text) {
  problem = text;
  describe();
}

function write(entry) {
  said.push(entry);
  const item = document.createElement('li');
  item.className = entry.who;
  const who = document.createElement('span');
  who.className = 'who';
  const text = document.createElement('p');
  if (entry.lang) text.lang = entry.lang;
  item.append(who, text);
  if (entry.audio) item.append(entry.audio);
  by('transcript').append(item);
  name(item, entry);
  by('nothing-yet').hidden = true;
  by('transcript').hidden = false;
  by('transcript').scrollTop = by('transcript').scrollHeight;
}

function name(item, entry) {
  const w = words();
  item.querySelector('.who').textContent = w[entry.who];
  item.querySelector('p').textContent = entry.text(w);
  entry.audio?.setAttribute('aria-label', w.played_label);
}

function forget() {
  for (const { audio } of said) if (audio) URL.revokeObjectURL(audio.src);
  said = [];
  by('transcript').replaceChildren();
}

function speakLanguage() {
  document.documentElement.lang = language;
  document.title = words().title;
  fillIn(document);
  const other = by('language');
  other.textContent = words().other;
  other.lang = language === 'en' ? 'zh-CN' : 'en';
  [...by('transcript').children].forEach((item, i) => name(item, said[i]));
  describe();
}

// ---- what the line does ---------------------------------------------------------------------------------------------

async function take(view) {
  for (const heard of view.heard) await hear(heard);
  waiting = view.waiting;
  if (waiting.for === 'nothing') return over();
  if (message) return show('taking');
  show(waits());
}

/** The state that goes with what the line waits for. */
function waits() {
  switch (waiting.for) {
    case 'ringing':
      return 'rung';
    case 'talking':
      return 'talk';
    case 'keys':
      return 'keys';
    default:
      return waiting.spoken ? 'spoken' : 'speech';
  }
}

async function hear(heard) {
  if ('say' in heard) {
    receipt = receiptIn(heard.say) ?? receipt;
    write({ who: 'line', text: () => heard.say, lang: heard.language });
    voice.say(heard.say, heard.language);
  } else if ('beep' in heard) {
    write({ who: 'line', text: (w) => w.beep });
    voice.beep();
  } else if ('played' in heard) {
    await hearRecording(heard);
  } else {
    write({ who: 'line', text: (w) => w.play_failed });
  }
}

async function hearRecording({ played, n }) {
  let recording;
  try {
    recording = await call.played(n);
  } catch {
    // The call goes on without it.
    write({ who: 'line', text: (w) => w.play_failed });
    return;
  }
  const audio = new Audio(URL.createObjectURL(recording));
  audio.controls = true;
  write({ who: 'line', text: (w) => w.played(played.toFixed(1)), audio });
  voice.play(audio);
}

/** Twelve digits, each one space from the next. */
function receiptIn(text) {
  return text.match(/(?<!\d ?)\d(?: \d){11}(?! ?\d)/)?.[0].replaceAll(' ', '') ?? null;
}

function over() {
  message?.close();
  message = null;
  unsent = null;
  call = null;
  show('over');
}

// ---- what the caller does -------------------------------------------------------------------------------------------

let turns = Promise.resolve();

/** One deed after the other. */
function inTurn(deed) {
  turns = turns.then(async () => {
    problem = null;
    try {
      await deed();
    } catch (error) {
      failed(error);
    }
  });
  // An error nobody expected is told where such errors are told, and the next deed is done all the same.
  turns = turns.catch((error) => reportError(error));
}

function failed(error) {
  if (error instanceof Refused) {
    const { status } = error;
    complain((w) => w.refused[status] ?? w.refused_other(error.message));
    // The exchange has been started anew.
    if (status === 404) over();
  } else if (error instanceof Lost) {
    complain((w) => w.lost);
  } else if (error instanceof NoMicrophone) {
    complain((w) => w[error.reason]);
  } else {
    throw error;
  }
  if (state === 'ringing') show('idle');
  if (state === 'sending') show('unsent');
}

function dial(to, from) {
  inTurn(async () => {
    if (call || state === 'ringing') return;
    forget();
    receipt = null;
    write({ who: 'you', text: (w) => w.dialled(to) });
    show('ringing');
    const [begun, view] = await Call.dial(to, from);
    call = begun;
    await take(view);
  });
}

/** A deed of the call: `send` gives a view. */
function act(text, send) {
  voice.stop();
  inTurn(async () => {
    if (!call) return;
    const view = await send();
    write({ who: 'you', text });
    await take(view);
  });
}

function press(key) {
  if (!call) return;
  if (key === '#' && (message || unsent)) {
    sayMessage('key');
    return;
  }
  act((w) => w.pressed(key), () => call.press(key));
}

function silence() {
  if (message || unsent) sayMessage('silence');
  else act((w) => w.kept_silent, () => call.silence());
}

function hangUp() {
  if (message || unsent) sayMessage();
  act(
    (w) => w.hung_up,
    async () => {
      try {
        return await call.hangUp();
      } catch (error) {
        // Whether the line hears of it or not, the receiver is down.
        over();
        throw error;
      }
    },
  );
}

function saySample() {
  act(
    (w) => w.said_sample,
    async () => {
      const wav = await sample();
      const view = await call.say(wav);
      voice.play(new Audio('/phone/sample.wav'));
      return view;
    },
  );
}

async function speak() {
  voice.stop();
  complain(null);
  const own = call;
  let begun;
  try {
    begun = await Message.begin(progress, () => complain((w) => w.microphone_broken));
  } catch (error) {
    failed(error);
    return;
  }
  // While the browser asked for leave, the call went on.
  if (call !== own || state !== 'speech') {
    begun.close();
    return;
  }
  message = begun;
  progress(0, 0);
  show('taking');
}

function progress(seconds, level) {
  by('seconds').textContent = words().seconds(seconds.toFixed(1));
  by('taking').dataset.seconds = seconds.toFixed(1);
  by('level').value = level;
  if (message && seconds >= waiting.max_seconds) sayMessage('limit');
}

/** Sends what was spoken; `end` as for [`Call.say`]. What does not arrive is kept, to be sent again. */
function sayMessage(end) {
  const spoken = message;
  message = null;
  voice.stop();
  inTurn(async () => {
    if (spoken) unsent = { wav: await spoken.end(), seconds: spoken.seconds };
    if (!call || !unsent) return;
    const { wav, seconds } = unsent;
    if (seconds === 0) {
      unsent = null;
      show('speech');
      complain((w) => w.too_short);
      return;
    }
    show('sending');
    const view = await call.say(wav, end);
    unsent = null;
    write({ who: 'you', text: (w) => w.said(seconds.toFixed(1)) });
    if (end === 'key') write({ who: 'you', text: (w) => w.pressed('#') });
    if (end === 'silence') write({ who: 'you', text: (w) => w.kept_silent });
    await take(view);
  });
}

by('dial').addEventListener('submit', (event) => {
  event.preventDefault();
  dial(by('to').value.trim(), by('from').value.trim());
});
by('keypad').addEventListener('click', (event) => {
  const key = event.target.closest('[data-key]')?.dataset.key;
  if (key) press(key);
});
by('silence').addEventListener('click', silence);
by('hangup').addEventListener('click', hangUp);
by('speak').addEventListener('click', speak);
by('stop').addEventListener('click', () => sayMessage());
by('resend').addEventListener('click', () => sayMessage());
by('sample').addEventListener('click', saySample);
by('language').addEventListener('click', () => {
  changeLanguage();
  speakLanguage();
});
by('mute').addEventListener('click', () => {
  voice.mute(!voice.isMuted());
  by('mute').setAttribute('aria-pressed', String(voice.isMuted()));
});

document.addEventListener('keydown', (event) => {
  const typing = event.target.matches?.('input, textarea, select');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (!call || !/^[0-9*#]$/.test(event.key)) return;
  event.preventDefault();
  press(event.key);
});

// Whoever closes the page has put the receiver down.
addEventListener('pagehide', () => {
  if (call) navigator.sendBeacon(`${call.path}/hangup`);
});

voice.onChange(describe);
speakLanguage();
show('idle');
