// What the console does in the browser beside links and forms: news from the service, keys, text that must not get lost.
"use strict";

const find = (id) => document.getElementById(id);
const live = find("live");

// --- news ---------------------------------------------------------------------------------------------------------

const lost = (is) => { find("lost").hidden = !is; };
document.addEventListener("htmx:sse:before:connection", (event) => {
  if (event.detail.connection.attempt > 0) lost(true);
});
document.addEventListener("htmx:sse:error", (event) => {
  // The session is over, and the answer is the sign-in page or a refusal.
  if (event.detail.status === 401) ended();
  lost(true);
});
document.addEventListener("htmx:sse:after:connection", () => lost(false));

// News is told once: a page that could not fetch itself tries again.
function again(event) {
  if (event.target.id !== "content") return;
  if (event.detail.ctx?.response?.status === 401) ended();
  else setTimeout(() => htmx.trigger(live, "changed"), 2000);
}
document.addEventListener("htmx:error", again);
document.addEventListener("htmx:response:error", again);

live?.addEventListener("present", (event) => {
  const names = JSON.parse(event.detail.data);
  const others = find("others");
  if (!others) return;
  others.textContent = others.dataset.text + names.join("、");
  others.hidden = names.length === 0;
});
live?.addEventListener("logged-out", () => ended());

// The extension connects again after an interruption, but not when there was no connection to begin with, or when the
// service ended it because the session was over.
let followed = true;
const follow = () => {
  followed = true;
  leaving = false;
  htmx.ajax("GET", live.getAttribute("hx-sse:connect"), { source: live });
};
document.addEventListener("htmx:sse:close", () => { followed = false; });
// A page that was left may be kept by the browser for its back button, and with it one of the few connections a
// browser makes to one host: after six pages the next would wait.
let connection = null;
document.addEventListener("htmx:sse:before:connection", (event) => { connection = event.detail.connection; });
function letGo() {
  if (!connection) return;
  connection.config.reconnect = false;
  connection.abortController.abort();
}
addEventListener("pagehide", letGo);
addEventListener("pageshow", (event) => {
  if (event.persisted) setTimeout(follow);
});
document.addEventListener("htmx:error", (event) => {
  if (event.target !== live) return;
  lost(true);
  setTimeout(follow, 2000);
});

// --- the end of a session -----------------------------------------------------------------------------------------

const session = () => `/console/session?member=${find("ended").dataset.member}`;
// What was written or ticked in a form of a report, and not saved.
const unsaved = (field) => ["radio", "checkbox"].includes(field.type)
  ? field.checked !== field.defaultChecked
  : field.value !== field.defaultValue;
const drafts = () => [...document.querySelectorAll("form[data-draft] :is(textarea, input)")].filter(unsaved);
let leaving = false;

// Nothing a caller said stays on the screen. What an inspector has just written is kept behind a curtain.
function ended() {
  if (drafts().length === 0) {
    leaving = true;
    location.replace("/console/sign-in?again=1");
    return;
  }
  letGo();
  document.body.classList.add("covered");
  for (const audio of document.querySelectorAll("audio")) audio.pause();
  if (!find("ended").open) find("ended").showModal();
}
find("ended")?.addEventListener("cancel", (event) => event.preventDefault());
find("resume")?.addEventListener("click", async () => {
  const answer = await fetch(session(), { redirect: "manual" });
  // Somebody else may have signed in.
  find("not-yours").hidden = answer.status !== 409;
  if (answer.status !== 204) return;
  document.body.classList.remove("covered");
  find("ended").close();
  if (!followed) follow();
});

// A page in the background follows nothing: browsers allow only a few connections. Whoever comes back to it first learns
// whether they are still signed in.
document.addEventListener("visibilitychange", async () => {
  if (document.hidden) return;
  const answer = await fetch(session(), { headers: { "HX-Request": "true" } }).catch(() => null);
  if ([401, 409].includes(answer?.status)) ended();
});

// A note is saved without leaving the page: when the connection fails, what was written is still there.
const note = find("note-form");
note?.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  const text = note.elements.text;
  const button = note.querySelector("button");
  const said = note.querySelector(".problem");
  const say = (words) => { said.textContent = words; said.hidden = words === ""; };
  say("");
  const written = text.value;
  button.disabled = true;
  try {
    const answer = await fetch(note.action, {
      method: "post",
      body: new URLSearchParams(new FormData(note)),
      headers: { "HX-Request": "true" },
      redirect: "manual",
    });
    if (answer.type === "opaqueredirect") {
      // Saved: the news bring it into the timeline.
      text.defaultValue = "";
      if (text.value === written) text.value = "";
    } else if (answer.status === 401) {
      ended();
    } else {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      say(page.querySelector("#content .problem, #content h1 + p")?.textContent || said.dataset.failed);
    }
  } catch {
    say(said.dataset.failed);
  } finally {
    button.disabled = false;
  }
});

// The form that is being sent: what stands in it is not lost.
let sent = null;
const release = () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
};
document.addEventListener("submit", (event) => {
  sent = event.target;
  // Pressed twice is meant once. The form is read before the button is gone.
  const button = event.submitter;
  if (event.target.method === "post" && button) setTimeout(() => { button.disabled = true; });
});
addEventListener("pageshow", () => {
  leaving = false;
  sent = null;
  release();
});
addEventListener("beforeunload", (event) => {
  if (leaving || drafts().every((field) => field.form === sent)) return;
  event.preventDefault();
  // Runs only when the page stays.
  setTimeout(() => {
    sent = null;
    release();
  });
});

// --- keys ---------------------------------------------------------------------------------------------------------

const writes = (element) => element.matches("input:not([type=radio], [type=checkbox], [type=range]), textarea, select");

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1);
  rows[next].focus();
}

document.addEventListener("keydown", (event) => {
  const field = event.target instanceof Element && writes(event.target);
  if (event.key === "Enter" && event.ctrlKey && event.target.form) {
    event.target.form.requestSubmit();
    return;
  }
  if (field && event.key === "Escape") event.target.blur();
  if (field || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.key === "?") find("keys").showModal();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else {
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target) return;
    if (target.matches("textarea")) target.focus();
    else target.click();
  }
  event.preventDefault();
});
