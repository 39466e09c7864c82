// Keeps a page fresh by what the service says, sends its forms without leaving it, and knows when nothing is said.
"use strict";

const SILENT_MS = 4000; // no word for this long: the page says so instead of showing an old truth
const TYPED_MS = 400; // after the last key, a text is checked
const words = document.body.dataset;
const byId = (id) => document.getElementById(id);

function make(tag, text, values = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.assign(element.dataset, values);
  return element;
}

// Times come in UTC; people live elsewhere.
function localise(root) {
  for (const time of root.querySelectorAll("time[data-shown]")) {
    const moment = new Date(time.dateTime);
    const shown = time.dataset.shown === "clock" ? { hour: "2-digit", minute: "2-digit" } : { dateStyle: "medium", timeStyle: "medium" };
    time.textContent = moment.toLocaleString(document.documentElement.lang, shown);
  }
}

function put(element, html) {
  const open = [...element.querySelectorAll("details")].map((one) => one.open);
  element.innerHTML = html; // the service's own, every text in it escaped there
  element.querySelectorAll("details").forEach((one, index) => { one.open = open[index] ?? one.open; });
  localise(element);
}

function complain(text) {
  const line = make("p", text, { ok: 0 });
  line.className = "notice";
  byId("notices").replaceChildren(line);
}

// What holds forms is each visitor's own: it is asked for anew.
let fetching = false;
async function renewParts() {
  if (fetching) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) putParts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } finally {
    fetching = false;
  }
}

function putParts(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.dataset.version === part.dataset.version) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    if (focused?.value && focused.matches("input")) continue; // somebody types there
    part.replaceChildren(...other.childNodes);
    part.dataset.version = other.dataset.version;
    localise(part);
    if (focused) stand(byId(focused.id), part);
  }
}

// Hands on the keyboard stay where they were, or close by where that can no longer be pressed.
function stand(element, part) {
  const near = element?.disabled ? element.closest("li")?.querySelector("button:enabled") : element;
  (near ?? part.querySelector("button:enabled, a"))?.focus();
}

// As the server writes it: the page of what is on air is told by that alone.
function title(badge) {
  document.title = words.page ? `${badge} · ${words.page}` : badge;
}

function hear(message) {
  for (const [name, value] of Object.entries(message)) {
    if (name === "@holds") document.body.dataset.holds = value;
    else if (!name.startsWith("@")) { if (byId(name)) put(byId(name), value); }
    else {
      const parts = [...document.querySelectorAll(`[data-part="${name}"]`)];
      if (parts.some((part) => part.dataset.version !== value)) renewParts().catch(() => {});
    }
  }
  title(byId("badge").textContent);
}

let source = null;
let heardAt = Date.now();
let silent = false;

function listen() {
  source?.close();
  source = new EventSource("/events");
  source.onmessage = (event) => {
    heardAt = Date.now();
    if (silent) {
      silent = false;
      document.body.classList.remove("silent");
      document.dispatchEvent(new Event("heard-again"));
      listen(); // what has not changed is not told again: a new stream begins with everything
    } else hear(JSON.parse(event.data));
  };
}

function watchSilence() {
  if (document.hidden || Date.now() - heardAt < SILENT_MS) return;
  if (!silent) {
    silent = true;
    document.body.classList.add("silent");
    const badge = byId("badge");
    badge.textContent = `${words.silent} ${new Date(heardAt).toLocaleTimeString(document.documentElement.lang)}`;
    badge.dataset.tone = "bad";
    byId("live-why").textContent = words.old;
    title(badge.textContent);
  }
  if (source.readyState === EventSource.CLOSED) listen(); // refused for now: it does not try again by itself
}

// As without scripts: the answer leads back to the page, of which only what has changed is put in.
async function send(form, button) {
  const fields = new URLSearchParams(new FormData(form, button));
  const answer = await fetch(button.hasAttribute("formaction") ? button.formAction : form.action, { method: "POST", body: fields });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!fresh.getElementById("notices")) throw new Error(answer.statusText);
  byId("notices").replaceChildren(...fresh.getElementById("notices").childNodes);
  putParts(fresh);
  return !byId("notices").querySelector('[data-ok="0"]');
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-act")) return;
  event.preventDefault();
  if (form.hasAttribute("data-sure") && !confirm(`${event.submitter.textContent}: ${words.sure}`)) return;
  try {
    if (await send(form, event.submitter) && form.hasAttribute("data-clear")) form.reset();
  } catch {
    complain(words.failed);
  }
});

// The playlist: checked while it is typed, by the one who will read it.
function watchText(area) {
  const told = byId("check");
  let waiting = 0;
  let asked = 0;
  async function check() {
    const number = (asked += 1);
    const fields = new URLSearchParams({ text: area.value, csrf: words.csrf, back: location.pathname });
    const headers = { Accept: "application/json", "X-CSRF": words.csrf };
    const answer = await (await fetch("/do/playlist_check", { method: "POST", body: fields, headers })).json();
    if (number !== asked || !answer.ok) return;
    const { items, problems } = answer.result;
    const list = document.createElement("ul");
    list.append(...problems.map((one) => make("li", one.what)));
    const count = make("p", told.dataset.items.replace("{count}", items), { tone: problems.length ? "bad" : "good" });
    told.replaceChildren(count, ...(problems.length ? [list] : []));
  }
  area.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => check().catch(() => complain(words.failed)), TYPED_MS);
  });
  byId("upload").hidden = false;
  byId("file").addEventListener("change", async (event) => {
    area.value = await event.target.files[0].text();
    event.target.value = "";
    area.dispatchEvent(new Event("input"));
    area.focus();
  });
}

// The picture: kept running while somebody looks.
const STUCK_MS = 10000; // a picture that should move and does not: attach it anew (a first playlist takes 7 s)
const HIDDEN_MS = 30000; // a muted picture in a hidden tab is work for nobody
const LONG_PAUSE_MS = 5000; // after this, "play" means now and not where it was left

function watchPicture(video) {
  let [seenTime, movedAt, tries, detached, hiddenAt, pausedAt] = [-1, performance.now(), 0, false, 0, Infinity];
  const attach = () => {
    [detached, movedAt, pausedAt, seenTime] = [false, performance.now(), Infinity, -1];
    video.load();
    video.play().catch(() => {}); // a browser that forbids autoplay shows its own button
  };
  const detach = () => {
    detached = true;
    video.pause();
    const sources = [...video.children];
    video.replaceChildren();
    video.load(); // with no source: lets go of the connection
    video.replaceChildren(...sources);
  };
  const look = () => {
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
  setInterval(look, 1000);
  video.addEventListener("pause", () => { pausedAt = performance.now(); });
  video.addEventListener("play", () => { if (performance.now() - pausedAt > LONG_PAUSE_MS) attach(); });
  document.addEventListener("visibilitychange", () => {
    hiddenAt = performance.now();
    if (!document.hidden && detached) attach();
  });
  document.addEventListener("heard-again", attach); // a service that has started anew counts its segments anew
  const sound = byId("sound");
  sound.hidden = false;
  sound.addEventListener("click", () => {
    video.muted = !video.muted;
    if (video.paused) attach();
  });
  video.addEventListener("volumechange", () => { sound.textContent = video.muted ? sound.dataset.off : sound.dataset.on; });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) source.close(); // a browser has six connections a host; a hidden page needs none
  else {
    heardAt = Date.now();
    listen();
  }
});

localise(document);
if (!document.hidden) listen();
else source = { close() {}, readyState: 0 };
setInterval(watchSilence, 1000);
if (byId("text")) watchText(byId("text"));
if (byId("live")) watchPicture(byId("live"));
