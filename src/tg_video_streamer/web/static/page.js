// Updates the page from server-sent events, sends forms in the background, and shows when the service is silent.
"use strict";

const SILENT_MS = 4000; // without an event for this long, the page says so
const CHECK_DELAY_MS = 400; // after the last key, the playlist is checked
const texts = document.body.dataset;
const language = document.documentElement.lang;
const byId = (id) => document.getElementById(id);

// The server sends times in UTC.
function dayOf(moment) {
  const days = Math.round((new Date(moment).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 86400000);
  if (days === 0 || days === -1) return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(days, "day");
  return moment.toLocaleDateString(language, { day: "numeric", month: "short", year: "numeric" });
}

function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[data-shown]")) {
    const moment = new Date(time.dateTime);
    const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(time.dataset.shown === "seconds" ? { second: "2-digit" } : {}) };
    const text = moment.toLocaleTimeString(language, clock);
    time.textContent = time.dataset.shown === "clock" ? text : `${dayOf(moment)} ${text}`;
  }
}

function setContent(element, html) {
  const open = [...element.querySelectorAll("details")].map((one) => one.open);
  element.innerHTML = html; // from our own server, which escapes every text
  element.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? one.open; });
  localizeTimes(element);
}

function showError(text) {
  const line = document.createElement("p");
  line.textContent = text;
  line.className = "flash";
  line.dataset.ok = 0;
  byId("flash-messages").replaceChildren(line);
}

// Parts with forms hold the visitor's own CSRF token: they are fetched, not pushed.
let fetching = false;
async function refreshParts() {
  if (fetching) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) replaceParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } finally {
    fetching = false;
  }
}

function replaceParts(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.dataset.version === part.dataset.version) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    if (focused?.value && focused.matches("input:not([type=range], [type=checkbox])")) continue; // do not replace what is being typed
    part.replaceChildren(...other.childNodes);
    part.dataset.version = other.dataset.version;
    localizeTimes(part);
    if (focused) restoreFocus(byId(focused.id), part);
  }
}

// Keeps the keyboard focus, or moves it to the next enabled button.
function restoreFocus(element, part) {
  const near = element?.disabled ? element.closest("li")?.querySelector("button:enabled") : element;
  (near ?? part.querySelector("button:enabled, a"))?.focus();
}

// In the same format as the server.
function setTitle(badge) {
  document.title = texts.page ? `${badge} · ${texts.page}` : badge;
}

function applyEvent(message) {
  for (const [name, value] of Object.entries(message)) {
    if (name === "@holds") document.body.dataset.holds = value;
    else if (!name.startsWith("@")) { if (byId(name)) setContent(byId(name), value); }
    else {
      const parts = [...document.querySelectorAll(`[data-part="${name}"]`)];
      if (parts.some((part) => part.dataset.version !== value)) refreshParts().catch(() => {});
    }
  }
  setTitle(byId("badge").textContent);
  followPosition();
}

// The bar follows the program while nobody moves it; what is chosen is sent once it rests.
const SEEK_DELAY_MS = 600;
let seekTimer = 0;

function clockText(seconds) {
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function showSeek(bar) {
  const text = clockText(Number(bar.value));
  byId("seek-time").textContent = text;
  bar.setAttribute("aria-valuetext", text);
}

function followPosition() {
  const bar = byId("seek");
  const progress = byId("progress");
  if (!bar || !progress || seekTimer || bar.matches(":active")) return;
  bar.value = progress.value;
  showSeek(bar);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "seek") return;
  showSeek(event.target);
  clearTimeout(seekTimer);
  seekTimer = setTimeout(() => {
    if (event.target.matches(":active")) event.target.dispatchEvent(new Event("input", { bubbles: true }));
    else event.target.form?.requestSubmit(event.target.form.querySelector("button"));
  }, SEEK_DELAY_MS);
});

let source = null;
let lastEventAt = Date.now();
let silent = false;

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.onmessage = (event) => {
    lastEventAt = Date.now();
    if (silent) {
      silent = false;
      document.body.classList.remove("silent");
      document.dispatchEvent(new Event("reconnected"));
      listen(); // a new stream starts with all fragments
    } else applyEvent(JSON.parse(event.data));
  };
}

function watchSilence() {
  if (document.hidden || Date.now() - lastEventAt < SILENT_MS) return;
  if (!silent) {
    silent = true;
    document.body.classList.add("silent");
    const badge = byId("badge");
    badge.textContent = `${texts.disconnected} ${new Date(lastEventAt).toLocaleTimeString(language, { hourCycle: "h23" })}`;
    badge.dataset.tone = "bad";
    byId("live-reason").textContent = texts.outdated;
    setTitle(badge.textContent);
  }
  if (source.readyState === EventSource.CLOSED) listen(); // refused: it does not retry by itself
}

// Same as without scripts: the answer is the page again, of which only the changed parts are replaced.
async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  const answer = await fetch(button.hasAttribute("formaction") ? button.formAction : form.action, { method: "POST", body: fields });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!fresh.getElementById("flash-messages")) throw new Error(answer.statusText);
  byId("flash-messages").replaceChildren(...fresh.getElementById("flash-messages").childNodes);
  replaceParts(fresh);
  return !byId("flash-messages").querySelector('[data-ok="0"]');
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-action")) return;
  event.preventDefault();
  if (form.contains(byId("seek"))) clearTimeout(seekTimer);
  if (form.hasAttribute("data-confirm") && !confirm(`${event.submitter.textContent}: ${texts.confirm}`)) return;
  try {
    if (await send(form, event.submitter) && form.hasAttribute("data-reset")) form.reset();
    form.dispatchEvent(new Event("sent"));
  } catch {
    showError(texts.failed);
  } finally {
    if (form.contains(byId("seek"))) seekTimer = 0;
  }
});

// The playlist: checked by the server while it is typed.
function watchText(area) {
  const result = byId("check");
  let timer = 0;
  let lastRequest = 0;
  async function check() {
    const number = (lastRequest += 1);
    const fields = new URLSearchParams({ text: area.value, csrf: texts.csrf });
    const answer = await fetch("/playlist/check", { method: "POST", body: fields });
    if (number === lastRequest && answer.ok) setContent(result, await answer.text());
  }
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => check().catch(() => showError(texts.failed)), CHECK_DELAY_MS);
  });
  byId("upload").hidden = false;
  byId("file").addEventListener("change", async (event) => {
    area.value = await event.target.files[0].text();
    event.target.value = "";
    area.dispatchEvent(new Event("input"));
    area.focus();
  });
}

// The live picture: runs while the page is visible.
const STUCK_MS = 10000; // reconnect a picture that does not move (a first playlist takes 7 s)
const HIDDEN_MS = 30000; // disconnect a muted picture in a hidden tab
const LONG_PAUSE_MS = 5000; // after this pause, play continues live

function watchPicture(video) {
  let [seenTime, movedAt, tries, detached, hiddenAt, pausedAt] = [-1, performance.now(), 0, false, 0, Infinity];
  const attach = () => {
    [detached, movedAt, pausedAt, seenTime] = [false, performance.now(), Infinity, -1];
    video.load();
    video.play().catch(() => {}); // where autoplay is forbidden, the browser shows its own button
  };
  const detach = () => {
    detached = true;
    video.pause();
    const sources = [...video.children];
    video.replaceChildren();
    video.load(); // without a source: closes the connection
    video.replaceChildren(...sources);
  };
  const watch = () => {
    const now = performance.now();
    if (document.hidden) {
      if (!detached && video.muted && now - hiddenAt > HIDDEN_MS) detach();
      return;
    }
    if (detached) return;
    const intended = !video.paused || video.ended || video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE;
    if (video.currentTime !== seenTime || !intended) {
      if (video.currentTime !== seenTime && seenTime >= 0) tries = 0;
      [seenTime, movedAt] = [video.currentTime, now];
    } else if (now - movedAt > STUCK_MS * Math.min(5, 1 + tries)) {
      tries += 1;
      attach();
    }
  };
  setInterval(watch, 1000);
  video.addEventListener("pause", () => { pausedAt = performance.now(); });
  video.addEventListener("play", () => { if (performance.now() - pausedAt > LONG_PAUSE_MS) attach(); });
  document.addEventListener("visibilitychange", () => {
    hiddenAt = performance.now();
    if (!document.hidden && detached) attach();
  });
  document.addEventListener("reconnected", attach); // a restarted service numbers its segments from the start
  const sound = byId("sound");
  sound.hidden = false;
  sound.addEventListener("click", () => {
    video.muted = !video.muted;
    if (video.paused) attach();
  });
  video.addEventListener("volumechange", () => { sound.textContent = video.muted ? sound.dataset.off : sound.dataset.on; });
}

// The playlist as a table: rows are dragged, or moved by keys. Each step presses a button of the form, as without scripts.
function watchTable(form) {
  const boxes = () => [...form.querySelectorAll("tbody input[type=checkbox]")];
  const press = (step) => {
    const button = byId(`do-${step}`);
    if (button && !button.disabled) form.requestSubmit(button);
  };
  let anchor = -1;
  let dragged = null;
  let moving = false; // the keyboard stays with what it moved

  function go(from, to, extend) {
    const all = boxes();
    if (to < 0 || to >= all.length) return;
    if (extend) select(all, from, to);
    all[to].focus();
    if (!extend) anchor = to;
  }

  function select(all, from, to) {
    if (anchor < 0) anchor = from;
    all.forEach((box, index) => { box.checked = index >= Math.min(anchor, to) && index <= Math.max(anchor, to); });
  }

  form.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      press("undo");
    }
    const all = boxes();
    const at = all.indexOf(event.target);
    if (at < 0) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step && event.altKey) {
      if (!all.some((box) => box.checked)) all[at].checked = true;
      moving = true;
      press(step < 0 ? "up" : "down");
    } else if (step) go(at, at + step, event.shiftKey);
    else if (event.key === "Delete") {
      if (!all.some((box) => box.checked)) all[at].checked = true;
      press("remove");
    } else return;
    event.preventDefault();
  });
  form.addEventListener("sent", () => {
    const first = boxes().find((box) => box.checked);
    if (moving) first?.focus();
    moving = false;
  });
  form.addEventListener("click", (event) => {
    const all = boxes();
    const at = all.indexOf(event.target);
    if (at < 0) return;
    if (event.shiftKey && anchor >= 0) select(all, anchor, at);
    else anchor = at;
  });
  form.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("tr[data-line]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.line);
  });
  form.addEventListener("dragover", (event) => {
    const row = event.target.closest("tr[data-line]");
    if (!dragged || !row) return;
    event.preventDefault();
    mark(row, isBelow(event, row));
  });
  form.addEventListener("drop", (event) => {
    const row = event.target.closest("tr[data-line]");
    mark(null);
    if (!dragged || !row) return;
    event.preventDefault();
    const box = dragged.querySelector("input");
    if (!box.checked) boxes().forEach((other) => { other.checked = other === box; });
    const target = isBelow(event, row) ? row.nextElementSibling : row;
    byId("before").value = target ? target.dataset.line : byId("before").dataset.next;
    press("move");
  });
  form.addEventListener("dragend", () => {
    mark(null);
    dragged = null;
  });
  const isBelow = (event, row) => event.clientY > row.getBoundingClientRect().top + row.offsetHeight / 2;
  function mark(row, below) {
    form.querySelectorAll(".drop-above, .drop-below").forEach((one) => one.classList.remove("drop-above", "drop-below"));
    row?.classList.add(below ? "drop-below" : "drop-above");
  }
}

// Uploads by tus 1.0: in pieces, so that a proxy's limit on bodies does not matter; an upload that was cut is found again.
const PIECE_BYTES = 8 * 1024 * 1024;
const RETRY_MS = 2000;

function watchUploads(input) {
  const list = byId("sending");
  const headers = (more) => ({ "Tus-Resumable": "1.0.0", "X-CSRF": texts.csrf, Accept: "application/json", ...more });
  const pause = () => new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });

  async function refused(answer) {
    const body = await answer.json().catch(() => ({}));
    return Object.assign(new Error(body.error?.text ?? answer.statusText), { refused: true });
  }

  async function begin(file) {
    const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
    const answer = await fetch("/uploads/tus", { method: "POST", headers: headers({ "Upload-Length": file.size, "Upload-Metadata": `filename ${name}` }) });
    if (answer.status !== 201) throw await refused(answer);
    return answer.headers.get("Location");
  }

  // Where to continue: at an earlier upload of the same file, if the server still has it.
  async function resume(file, place, memory) {
    const answer = place ? await fetch(place, { method: "HEAD", headers: headers({}) }) : null;
    if (answer?.ok) return { place, offset: Number(answer.headers.get("Upload-Offset")) };
    if (answer && answer.status !== 404) throw new Error(answer.statusText);
    const fresh = await begin(file);
    localStorage.setItem(memory, fresh);
    return { place: fresh, offset: 0 };
  }

  async function send(file, show) {
    const memory = `upload ${file.name} ${file.size} ${file.lastModified}`;
    for (;;) {
      try {
        let { place, offset } = await resume(file, localStorage.getItem(memory), memory);
        for (;;) {
          show(offset >= file.size - PIECE_BYTES ? "checking" : "sending", offset);
          const body = file.slice(offset, offset + PIECE_BYTES);
          const answer = await fetch(place, { method: "PATCH", headers: headers({ "Content-Type": "application/offset+octet-stream", "Upload-Offset": offset }), body });
          if ([408, 409, 423].includes(answer.status)) throw new Error(answer.statusText);
          if (!answer.ok) throw await refused(answer);
          offset = Number(answer.headers.get("Upload-Offset"));
          if (answer.headers.has("Upload-Name")) {
            localStorage.removeItem(memory);
            return;
          }
        }
      } catch (error) {
        if (error.refused) throw error;
        show("waiting", null);
        await pause();
      }
    }
  }

  function start(file) {
    const row = document.createElement("li");
    const name = document.createElement("bdi");
    const state = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = file.name;
    state.className = "number";
    bar.max = file.size;
    bar.setAttribute("aria-label", file.name);
    row.append(name, " ", state, bar);
    list.append(row);
    const show = (word, offset) => {
      state.textContent = list.dataset[word];
      if (offset !== null) bar.value = offset;
    };
    send(file, show).then(
      () => { show("done", file.size); return refreshParts(); },
      (error) => { state.textContent = `${list.dataset.refused}: ${error.message}`; },
    );
  }

  input.addEventListener("change", () => {
    [...input.files].forEach(start);
    input.value = "";
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) source.close(); // browsers allow six connections per host; a hidden page needs none
  else {
    lastEventAt = Date.now();
    listen();
  }
});

// The picture of a live stream that waits.
setInterval(() => {
  const still = byId("live-still");
  if (still?.complete && !document.hidden) still.src = `/live/still.jpg?${Date.now()}`;
}, 2000);

localizeTimes(document);
if (!document.hidden) listen();
else source = { close() {}, readyState: 0 };
setInterval(watchSilence, 1000);
if (byId("text")) watchText(byId("text"));
if (byId("media")) watchUploads(byId("media"));
if (byId("table-form")) watchTable(byId("table-form"));
if (byId("live")) watchPicture(byId("live"));
