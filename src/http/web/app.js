// SPDX-License-Identifier: Apache-2.0
// Which page is shown, when it is drawn again, and the login.
import { get, hasToken, setToken } from "./api.js";
import { device, devices } from "./devices.js";
import { card, h } from "./dom.js";
import { overview } from "./overview.js";
import { failures, imports, live, profiles, turnedAway } from "./pages.js";

const PAGES = { "": overview, devices, device, failures, "turned-away": turnedAway, live, imports, profiles };
const IN_MENU = ["", "devices", "failures", "turned-away", "live", "imports", "profiles"];
const main = document.getElementById("main"), nav = document.getElementById("nav"), menu = document.getElementById("menu");
const health = document.getElementById("health");
let caller = null, current = null;

function place() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  const known = Object.hasOwn(PAGES, page);
  let name = rest.join("/");
  try {
    name = decodeURIComponent(name);
  } catch {
    // A % that begins no escape: the address was typed, and is taken as it stands.
  }
  return { page: known ? page : "", name, query: new URLSearchParams(search) };
}

function drawMenu(page) {
  nav.replaceChildren(h("ul", null, IN_MENU.map((name) => h("li", null, h("a", {
    href: `#/${name}`, "aria-current": name === page || (name === "devices" && page === "device") ? "page" : null,
  }, PAGES[name].title)))));
  nav.classList.remove("open");
  menu.setAttribute("aria-expanded", "false");
}

menu.addEventListener("click", () => menu.setAttribute("aria-expanded", String(nav.classList.toggle("open"))));

// Not by the address, which says what page is shown.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

function loginForm(message) {
  return [h("h1", null, "Log in"), card(null, message ? h("div", { class: "notice warn", role: "alert" }, h("p", null, message)) : null,
    h("p", null, "This server asks for a token. Whoever runs it makes one with ", h("code", null, "usher token create NAME"), "."),
    h("form", {
      class: "filters",
      onsubmit(event) {
        event.preventDefault();
        setToken(new FormData(event.target).get("token").trim());
        show(true);
      },
    }, h("div", null, h("label", { for: "token" }, "Token"), h("input", { id: "token", name: "token", type: "password", required: true, autocomplete: "current-password", size: 40 })), h("button", { type: "submit" }, "Log in")))];
}

function problemView(problem) {
  if (problem.status === 401) {
    const message = hasToken() ? problem.message : null;
    setToken(null);
    return loginForm(message);
  }
  return [h("h1", null, "This did not work"), h("div", { class: "notice bad", role: "alert" }, h("p", null, problem.message))];
}

// What the reader has opened or scrolled stays so when the page is drawn again.
function keepPlace(draw) {
  const open = [...main.querySelectorAll("details")].map((item) => item.open);
  const focused = document.activeElement?.id;
  draw();
  [...main.querySelectorAll("details")].forEach((item, index) => { item.open = open[index] ?? false; });
  if (focused) document.getElementById(focused)?.focus();
}

async function draw(visit, first) {
  const { page, name, query } = visit;
  let parts;
  try {
    caller ??= await get("v1/whoami");
    document.getElementById("who").textContent = caller.login_needed ? `logged in as ${caller.name}, ${caller.scope}` : "read-only";
    parts = await PAGES[page].render(query, name, { caller, signal: visit.stop.signal, again: () => draw(visit, false) });
  } catch (problem) {
    parts = problemView(problem);
    caller = null;
  }
  if (visit !== current) return;
  const put = () => main.replaceChildren(...parts.flat(2).filter(Boolean));
  if (first) put();
  else keepPlace(put);
  main.setAttribute("aria-busy", "false");
  document.body.dataset.page = page || "overview";
}

function again(visit) {
  const every = PAGES[visit.page].every;
  if (!every) return;
  visit.timer = setInterval(() => {
    const busy = main.querySelector("button:disabled, form input:focus");
    if (!document.hidden && !busy && caller !== null) draw(visit, false);
  }, every);
}

async function show(focus) {
  if (current) {
    current.stop.abort();
    clearInterval(current.timer);
  }
  const visit = { ...place(), stop: new AbortController() };
  current = visit;
  drawMenu(visit.page);
  document.title = `${visit.page === "device" ? visit.name : PAGES[visit.page].title} · Usher`;
  main.setAttribute("aria-busy", "true");
  await draw(visit, true);
  if (visit !== current) return;
  if (focus) {
    main.focus();
    window.scrollTo(0, 0);
  }
  again(visit);
}

async function watchHealth() {
  try {
    const { ready } = await get("readyz");
    health.textContent = ready ? "Ready for devices" : "Not ready";
    health.className = `pill ${ready ? "good" : "bad"}`;
  } catch {
    health.textContent = "No answer";
    health.className = "pill bad";
  }
}

window.addEventListener("hashchange", () => show(true));
setInterval(() => document.hidden || watchHealth(), 5000);
watchHealth();
show(false);
