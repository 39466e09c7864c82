// Keeps the page fresh: the status once a second and the live picture running, while somebody looks.
"use strict";

const REFRESH_MS = 1000;
const SILENT_MS = 4000; // no answer for this long: the page says so instead of showing an old truth
const STUCK_MS = 10000; // a picture that should move and does not: attach it anew (a first playlist takes 7 s)
const HIDDEN_MS = 30000; // a muted picture in a hidden tab is work for nobody
const LONG_PAUSE_MS = 5000; // after this, "play" means now and not where it was left

const labels = JSON.parse(document.body.dataset.labels);
const proofs = JSON.parse(document.body.dataset.proofs);
const byId = (id) => document.getElementById(id);
const video = byId("live");

function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

function fill(id, elements) {
  const fresh = document.createElement(byId(id).tagName);
  fresh.append(...elements);
  // Only a change touches the page: screen readers and selections stay undisturbed.
  if (fresh.innerHTML !== byId(id).innerHTML) byId(id).replaceChildren(...fresh.childNodes);
}

function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hour, minute, second] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hour ? `${hour}:${two(minute)}:${two(second)}` : `${minute}:${two(second)}`;
}

function spanText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [large, small, size, part] of [["d", "h", 86400, 3600], ["h", "min", 3600, 60], ["min", "s", 60, 1]]) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / part);
    return `${Math.floor(whole / size)} ${large}` + (rest ? ` ${rest} ${small}` : "");
  }
  return `${whole} s`;
}

function rateText(bits) {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mbit/s` : `${(bits / 1e3).toFixed(0)} kbit/s`;
}

function showBadge(text, tone) {
  setText("badge", text);
  byId("badge").dataset.tone = tone;
  document.title = `${text} · Channel`;
}

function showState(status) {
  const label = labels[status.channel_state] ?? status.channel_state;
  if (["starting", "stopping"].includes(status.channel_state)) showBadge(label, "quiet");
  else if (!status.healthy) showBadge(`${label}, not healthy`, "bad");
  else if (status.degraded) showBadge(`${label}, degraded`, "fair");
  else showBadge(label, status.channel_state === "on_air" ? "good" : "fair");
  setText("reason", status.reason);
  const began = new Date(status.since_wall * 1000);
  const when = make("time", "", began.toLocaleString());
  when.dateTime = began.toISOString();
  fill("since", [`for ${spanText(Date.now() / 1000 - status.since_wall)}, since `, when]);
}

function showItem(status) {
  const item = status.now;
  const length = item && !item.is_live ? item.duration_seconds : null;
  fill("now-title", item ? [make("bdi", "", item.title)] : ["Nothing from the playlist"]);
  byId("progress").hidden = !length;
  byId("progress").max = length || 1;
  byId("progress").value = Math.min(status.position_seconds, length || 1);
  const tail = !item ? "" : item.is_live ? " · live" : length ? ` of ${clockText(length)}` : "";
  setText("position", item ? clockText(status.position_seconds) + tail : "");
  byId("paused").hidden = !status.paused;
}

function showNotes(name, lines) {
  byId(name).hidden = lines.length === 0;
  fill(`${name}-list`, lines.map((line) => make("li", "", line)));
}

function outputRow(output) {
  const row = make("li", "", "");
  const name = make("span", "name", "");
  name.append(make("bdi", "", output.name));
  const state = make("span", "state", output.state.replaceAll("_", " "));
  state.dataset.state = output.state;
  const facts = [output.kind, rateText(output.bits_per_second)];
  if (output.reconnects) facts.push(`${output.reconnects} reconnects`);
  if (output.dropped_packets) facts.push(`${output.dropped_packets} packets dropped`);
  row.append(name, state, make("span", "number", facts.join(" · ")));
  if (proofs[output.proof]) {
    const proof = make("span", "proof", proofs[output.proof]);
    proof.dataset.proof = output.proof;
    row.append(proof);
  }
  if (output.error) row.append(make("span", "error", output.error));
  return row;
}

function nextRow(item) {
  const row = make("li", "", "");
  const length = item.is_live ? "live" : item.duration_seconds ? clockText(item.duration_seconds) : "";
  row.append(make("bdi", "", item.title), " ", make("span", "number", length));
  return row;
}

function show(status) {
  showState(status);
  showItem(status);
  showNotes("problems", status.problems);
  showNotes("degraded", status.degraded ? [status.degraded_reason, document.body.dataset.remedy] : []);
  showNotes("warnings", status.warnings);
  const outputs = status.outputs.map(outputRow);
  fill("outputs", outputs.length ? outputs : [make("li", "empty", "None but this preview")]);
  const coming = status.next_items.map(nextRow);
  fill("next", coming.length ? coming : [make("li", "empty", "Nothing")]);
  setText("buffer", `${status.buffer_seconds.toFixed(1)} s`);
  setText("gap", `${status.gap_seconds.toFixed(2)} s`);
  setText("skew", `${(status.skew_seconds * 1000).toFixed(1)} ms`);
  setText("played", String(status.streams_played));
  setText("programme-length", spanText(status.program_seconds));
  setText("uptime", spanText(status.uptime_seconds));
  for (const id of ["session", "viewers"]) byId(id).parentElement.hidden = !status.session_state;
  setText("session", status.session_state);
  setText("viewers", status.viewers === null ? "unknown" : String(status.viewers));
  setText("version", status.version);
}

let answeredAt = performance.now();
let uptime = 0;

async function refresh() {
  try {
    const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(SILENT_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const status = await answer.json();
    show(status);
    answeredAt = performance.now();
    // A service that has started anew counts its segments anew.
    if (status.uptime_seconds < uptime) attach();
    uptime = status.uptime_seconds;
  } catch (error) {
    if (performance.now() - answeredAt < SILENT_MS) return;
    showBadge("No answer from the service", "bad");
    setText("reason", "what stands below is old");
  }
}

async function keepRefreshing() {
  if (!document.hidden) await refresh();
  setTimeout(keepRefreshing, REFRESH_MS);
}

let seenTime = -1;
let movedAt = performance.now();
let tries = 0;
let detached = false;
let hiddenAt = 0;
let pausedAt = Infinity;

function attach() {
  detached = false;
  movedAt = performance.now();
  pausedAt = Infinity;
  seenTime = -1;
  video.load();
  video.play().catch(() => {}); // a browser that forbids autoplay shows its own button
}

function detach() {
  detached = true;
  video.pause();
  const sources = [...video.children];
  video.replaceChildren();
  video.load(); // with no source: lets go of the connection
  video.replaceChildren(...sources);
}

function watchPicture() {
  const now = performance.now();
  if (document.hidden) {
    if (!detached && video.muted && now - hiddenAt > HIDDEN_MS) detach();
    return;
  }
  if (detached) return;
  const intended = !video.paused || video.ended || video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE;
  if (video.currentTime !== seenTime || !intended) {
    if (video.currentTime !== seenTime && seenTime >= 0) tries = 0;
    seenTime = video.currentTime;
    movedAt = now;
  } else if (now - movedAt > STUCK_MS * Math.min(5, 1 + tries)) {
    tries += 1;
    attach();
  }
}

document.addEventListener("visibilitychange", () => {
  hiddenAt = performance.now();
  if (document.hidden) return;
  answeredAt = performance.now();
  if (detached) attach();
  refresh();
});

video.addEventListener("pause", () => { pausedAt = performance.now(); });
video.addEventListener("play", () => {
  if (performance.now() - pausedAt > LONG_PAUSE_MS) attach();
});

setInterval(watchPicture, REFRESH_MS);
keepRefreshing();
