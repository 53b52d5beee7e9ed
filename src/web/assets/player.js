// The player: one <audio> for each recording, with speed, a picture of the sound, and keys.
"use strict";

const STEP = 5;
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
let current = null;

function ready(player) {
  player.dataset.ready = "";
  const audio = player.querySelector("audio");
  const [button, back, speed, at, range, head, failed] = [".play", ".back", ".speed select", ".at", "input", ".head", ".problem"]
    .map((selector) => player.querySelector(selector));
  // Without this script the browser's own controls do.
  audio.controls = false;
  for (const part of player.querySelectorAll(".controls, .track")) part.hidden = false;

  const length = () => Number.isFinite(audio.duration) ? audio.duration : Number(player.dataset.seconds ?? 0);
  const show = () => {
    at.textContent = minutes(audio.currentTime);
    range.max = length();
    range.value = audio.currentTime;
    range.setAttribute("aria-valuetext", minutes(audio.currentTime));
    head.setAttribute("x", length() > 0 ? (audio.currentTime / length()) * 598 : 0);
  };
  const name = () => {
    button.textContent = audio.paused ? `▶ ${player.dataset.play}` : `❚❚ ${player.dataset.pause}`;
  };
  player.toggle = () => {
    failed.hidden = true;
    if (!audio.paused) return audio.pause();
    if (current && current !== player) current.querySelector("audio").pause();
    current = player;
    audio.playbackRate = Number(speed.value);
    audio.play().catch((error) => { if (error.name !== "AbortError") fail(); });
  };
  player.seek = (seconds) => {
    audio.currentTime = Math.min(Math.max(seconds, 0), length());
    show();
  };
  player.move = (by) => player.seek(audio.currentTime + by);
  const fail = () => {
    failed.textContent = player.dataset.failed;
    failed.hidden = false;
    name();
  };
  button.addEventListener("click", player.toggle);
  back.addEventListener("click", () => player.move(-STEP));
  speed.addEventListener("change", () => { audio.playbackRate = Number(speed.value); });
  // Where nothing is loaded yet a position cannot be set: the last one chosen is kept until then.
  let wanted = null;
  audio.addEventListener("loadedmetadata", () => {
    if (wanted !== null) player.seek(wanted);
    wanted = null;
  });
  range.addEventListener("input", () => {
    current = player;
    if (audio.readyState > 0) return player.seek(Number(range.value));
    if (wanted === null) {
      audio.preload = "metadata";
      audio.load();
    }
    wanted = Number(range.value);
  });
  for (const event of ["timeupdate", "loadedmetadata", "seeked", "ended"]) audio.addEventListener(event, show);
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, name);
  audio.addEventListener("error", () => {
    wanted = null;
    fail();
  });
}

const all = () => document.querySelectorAll(".player:not([data-ready])").forEach(ready);
document.addEventListener("DOMContentLoaded", all);
document.addEventListener("htmx:after:swap", all);
all();

document.addEventListener("keydown", (event) => {
  const player = current?.isConnected ? current : document.querySelector(".player");
  if (!player || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches?.("input, textarea, select")) return;
  if (event.key === "p") player.toggle();
  else if (event.key === "ArrowLeft") player.move(-STEP);
  else if (event.key === "ArrowRight") player.move(STEP);
  else return;
  event.preventDefault();
});
