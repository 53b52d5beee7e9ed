// The line, over HTTP. Deeds are done one after the other, however fast they come.

/** The line refuses: `status`, and the `title` it gives, if any. */
export class Refused extends Error {
  constructor(status, title) {
    super(title ?? `HTTP ${status}`);
    this.status = status;
  }
}

/** Nobody answered. */
export class Lost extends Error {}

async function request(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Lost();
  }
}

async function post(path, body, type) {
  const headers = type ? { 'Content-Type': type } : {};
  const response = await request(path, { method: 'POST', headers, body });
  // Whatever it is: what cannot be read says nothing.
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, answer?.title);
  if (!answer) throw new Lost();
  return answer;
}

const json = (path, value) => post(path, JSON.stringify(value), 'application/json');

/** One call. Each deed gives a view: `{id, heard, waiting}`. */
export class Call {
  static async dial(to, from) {
    const view = await json('/phone/calls', from ? { to, from } : { to });
    return [new Call(`/phone/calls/${view.id}`), view];
  }

  constructor(path) {
    this.path = path;
  }

  press(keys) {
    return json(`${this.path}/keys`, { keys });
  }

  /** Says a WAV file. `end` is how the recording ends: `key`, `silence`, `limit`, or not at all. */
  say(wav, end) {
    return post(`${this.path}/speech${end ? `?end=${end}` : ''}`, wav, 'audio/wav');
  }

  silence() {
    return post(`${this.path}/silence`);
  }

  hangUp() {
    return post(`${this.path}/hangup`);
  }

  /** The `n`th recording the line played, as a blob: only the last one is to be had. */
  async played(n) {
    const response = await request(`${this.path}/played/${n}`);
    if (!response.ok) throw new Refused(response.status);
    return response.blob();
  }
}

/** The sample, a WAV file. */
export async function sample() {
  const response = await request('/phone/sample.wav');
  if (!response.ok) throw new Refused(response.status);
  return response.blob();
}
