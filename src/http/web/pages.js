// SPDX-License-Identifier: Apache-2.0
// Failures, devices turned away, what happens now, imports, profiles.
import { devicePath, ask, follow, get, Problem } from "./api.js";
import { deviceLink } from "./devices.js";
import { card, empty, facts, h, meter, pill, table } from "./dom.js";
import { bytes, causeWord, clock, codeWord, duration, fullTime, number, operationWord, pathWord, shellWord, stateTone, stateWord, when } from "./words.js";

// ---- failures ----

export const failures = {
  title: "Failures",
  every: 5000,
  async render() {
    const status = await get("v1/status");
    return [h("h1", null, "Failures, and what to do"),
      h("p", { class: "quiet" }, `${number(status.devices.by_state.failed)} devices failed at their last attempt. Counts below are of attempts since the server started.`),
      status.failures.length === 0 ? card(null, empty("Nothing has failed since the server started.")) : status.failures.map((group) => card(causeWord(group.cause), h("p", null, group.cause_text),
        facts([["In the last hour", number(group.last_hour)], ["Since the start", number(group.since_start)]]),
        h("p", null, h("a", { href: `#/devices?cause=${group.cause}` }, "Show the devices whose last attempt ended so")))),
      card("All that failed", h("p", null, h("a", { href: "#/devices?state=failed" }, "List of devices that failed at their last attempt")))];
  },
};

// ---- turned away ----

// One that has proved its name by a certificate: a class is all that it needs to be let in.
function acceptForm(name, classes, again) {
  const message = h("p", { role: "status" });
  const choice = h("select", { "aria-label": `Class of ${name}`, name: "class" }, classes.map((item) => h("option", { value: item }, item)));
  return h("form", {
    class: "filters",
    async onsubmit(event) {
      event.preventDefault();
      try {
        await ask("PUT", devicePath(name), { class: choice.value, generate: true });
        again();
      } catch (problem) {
        message.textContent = problem.message;
      }
    },
  }, h("label", null, "Class ", choice), h("button", { type: "submit" }, "Accept"), message);
}

function advice(reject, classes, caller, again) {
  const name = reject.identity ?? "";
  const mayAct = ["operator", "admin"].includes(caller.scope);
  const mayEnrol = mayAct || caller.scope === "enroller";
  if (reject.cause === "held" && name !== "") return [h("p", null, reject.cause_text), mayEnrol && classes.length > 0 ? acceptForm(name, classes, again) : h("p", null, "To accept it: ", h("code", null, `usher accept --class CLASS ${shellWord(name)}`))];
  if (reject.cause === "unknown-identity" && name !== "") return [h("p", null, reject.cause_text), h("p", null, "To enrol it: ", h("code", null, `usher enroll --class CLASS --key-file FILE ${shellWord(name)}`))];
  if (reject.cause === "blocked" && mayAct && name !== "") {
    const button = h("button", { type: "button" }, "Let it in again");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await ask("POST", devicePath(name, "/unblock"));
        again();
      } catch (problem) {
        button.replaceWith(h("span", null, problem.message));
      }
    });
    return [h("p", null, reject.cause_text), button];
  }
  return reject.cause_text;
}

export const turnedAway = {
  title: "Turned away",
  every: 5000,
  async render(query, name, { caller, again }) {
    const [{ rejects }, known] = await Promise.all([get("v1/rejects?limit=200"), get("v1/profiles")]);
    const classes = known.profiles.map((profile) => profile.class);
    return [h("h1", null, "Turned away"), h("p", { class: "quiet" }, "Who knocked and was not let in. If a device does not show up, look here first."),
      card(null, rejects.length === 0 ? empty("Nobody was turned away since the server started.") : table("Turned away", [
        { title: "Identity", head: true, cell: (row) => row.identity ?? "none was told" }, { title: "Reason", cell: (row) => pill(causeWord(row.cause), "warn") },
        { title: "From", tight: true, cell: (row) => row.source }, { title: "Times", number: true, cell: (row) => number(row.count) },
        { title: "Last", tight: true, cell: (row) => when(row.last) }, { title: "What to do", cell: (row) => h("div", null, advice(row, classes, caller, again)) }], rejects))];
  },
};

// ---- live ----

const SHOWN = 200;
const WORDS = {
  handshake: (event) => ["connected securely", `from ${event.source}, ${duration(event.duration_ms)}`],
  request: (event) => ["asks to be set up", `from ${event.source}`],
  operation: (event) => [`${operationWord(event.operation)} ${event.operation === "finish" ? "" : pathWord(event.path)}`,
    `${codeWord(event.code)}, ${duration(event.duration_ms)}, ${bytes(event.bytes_sent + event.bytes_received)}${event.attempts > 1 ? `, sent ${event.attempts} times` : ""}`],
  outcome: (event) => [pill(stateWord(event.state), stateTone(event.state)), event.cause ? `${causeWord(event.cause)}: ${event.detail ?? event.cause_text}` : `in ${duration(event.duration_ms)}`],
  reject: (event) => [pill("turned away", "warn"), `${causeWord(event.cause)}, from ${event.source}`],
  enrolment: (event) => ["enrolment", event.change], reload: (event) => ["settings read again", event.ok ? `${event.classes} classes` : "refused; the old ones stay"],
  import: (event) => ["import", `${PHASES[event.state]?.[0] ?? event.state}, ${number(event.rows)} rows`], gap: (event) => [pill("gap", "warn"), event.missed === null ? "events may be missing" : `${number(event.missed)} events left out`],
};

function row(event) {
  const [what, detail] = (WORDS[event.event] ?? (() => [event.event, ""]))(event);
  const who = event.endpoint ? deviceLink(event.endpoint) : event.identity ?? "";
  return h("li", null, h("time", { datetime: event.time }, clock(event.time)), h("span", null, who), h("span", null, what, " ", h("span", { class: "quiet" }, detail)));
}

export const live = {
  title: "Live",
  async render(query, name, { signal }) {
    const list = h("ol", { class: "log", role: "log", "aria-live": "off", "aria-label": "Events, newest first", tabindex: "0" });
    const state = h("p", { class: "quiet", role: "status" }, "Connecting …");
    let paused = false, waiting = [], scheduled = false;
    const only = h("select", { id: "only" }, [["", "Everything"], ["outcome", "Results only"], ["reject", "Turned away only"]].map(([value, text]) => h("option", { value }, text)));
    const show = () => {
      scheduled = false;
      const rows = waiting.slice(-SHOWN).reverse().map(row);
      waiting = [];
      list.prepend(...rows);
      while (list.childElementCount > SHOWN) list.lastElementChild.remove();
    };
    const take = (event) => {
      if (paused || (only.value !== "" && event.event !== only.value && event.event !== "gap")) return;
      waiting.push(event);
      if (waiting.length > SHOWN) waiting.shift();
      if (!scheduled) setTimeout(show, 250);
      scheduled = true;
    };
    const button = h("button", { type: "button", "aria-pressed": "false", onclick() {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? "Go on" : "Pause";
    } }, "Pause");
    follow(take, (what) => { state.textContent = what === "connected" ? "Connected: what happens appears here, newest first." : "The connection was lost; trying again."; }, signal)
      .catch((problem) => { state.textContent = problem.message; });
    return [h("h1", null, "Live"), card(null, h("form", { class: "filters" }, h("div", null, h("label", { for: "only" }, "Show"), only), button), state, list)];
  },
};

// ---- imports ----

const PHASES = {
  uploading: ["being sent", "busy"], checking: ["being checked", "busy"], merging: ["being taken in", "busy"], done: ["done", "good"], failed: ["failed", "bad"], stopped: ["stopped", "warn"],
};

export const imports = {
  title: "Imports",
  every: 2000,
  async render() {
    let list = null;
    try {
      list = (await get("v1/imports")).imports;
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
    }
    if (list === null || list.length === 0) return [h("h1", null, "Imports"), card(null, empty("No import has run. The command “usher import FILE” enrols many devices from a table."))];
    const count = (title, key) => ({ title, number: true, cell: (item) => number(item[key]) });
    return [h("h1", null, "Imports"), card(null, table("Imports, newest first", [
      { title: "Began", head: true, cell: (item) => fullTime(item.started) },
      { title: "State", cell: (item) => [pill(PHASES[item.phase]?.[0] ?? item.phase, PHASES[item.phase]?.[1] ?? "idle"), item.dry_run ? " trial only" : "", item.error ? h("p", null, item.error) : null] },
      { title: "Progress", cell: (item) => {
        const seen = item.merged + item.bad_rows, text = `${number(seen)} of ${number(item.rows)} rows`;
        return h("div", null, meter([{ value: item.merged, tone: "good" }, { value: item.bad_rows, tone: "bad" }, { value: Math.max(item.rows - seen, 0), tone: "idle" }], text), h("small", { class: "quiet" }, text));
      } },
      count("New", "created"), count("Changed", "changed"), count("As before", "unchanged"), count("Left alone", "skipped"), count("Refused", "failed"),
      { title: "By", cell: (item) => item.actor ?? "" }], list))];
  },
};

// ---- profiles ----

const POLICIES = { allow: "may be set up again at any time", once: "is set up once only", approve: "needs approval to be set up again", quarantine: "is put aside when it calls again" };

// Places of a server that stands in several, with the devices that each has.
function shares(servers) {
  const rows = servers.flatMap((server) => {
    const all = server.places.reduce((sum, place) => sum + place.devices, 0), weights = {};
    for (const place of server.places) weights[place.region ?? ""] = (weights[place.region ?? ""] ?? 0) + place.weight;
    return server.places.map((place) => ({ server, place, all, weight: weights[place.region ?? ""] }));
  });
  const percent = (part, all) => all === 0 ? "0 %" : `${Math.round((part / all) * 1000) / 10} %`;
  return rows.length === 0 ? null : card("How devices are shared out", h("p", { class: "quiet" }, "These servers stand in several places; each device is sent to one of them and stays there."), table("Places of servers", [
    { title: "Server", head: true, cell: (row) => `No. ${row.server.id} of ${row.server.class}` },
    { title: "Place", cell: (row) => [row.place.name, row.place.region ? h("small", { class: "quiet" }, ` for ${row.place.region}`) : null] },
    { title: "Address", cell: (row) => row.place.uri },
    { title: "Meant to have", number: true, cell: (row) => `${percent(row.place.weight, row.weight)}${row.place.region ? ` of ${row.place.region}` : ""}` },
    { title: "Devices", number: true, cell: (row) => number(row.place.devices) },
    { title: "Share", cell: (row) => h("div", null, meter([{ value: row.place.devices, tone: "good" }, { value: row.all - row.place.devices, tone: "idle" }], `${number(row.place.devices)} of ${number(row.all)} devices`), h("small", { class: "quiet" }, percent(row.place.devices, row.all))) }], rows));
}

export const profiles = {
  title: "Profiles",
  every: 30000,
  async render() {
    const [answer, { servers }] = await Promise.all([get("v1/profiles"), get("v1/servers")]);
    const findings = answer.findings ?? [], stands = new Map(servers.map((server) => [`${server.class} ${server.id}`, server.places.length]));
    return [h("h1", null, "Profiles"), h("p", { class: "quiet" }, "A profile says what the devices of one class receive. They lie in files on the server."),
      card("Remarks on the files", findings.length === 0 ? empty("None: all files are as they should be.") : table("Remarks", [
        { title: "Where", head: true, cell: (item) => `${item.file}, line ${item.line}` }, { title: "Kind", cell: (item) => pill(item.severity, item.severity === "error" ? "bad" : item.severity === "warning" ? "warn" : "idle") },
        { title: "Remark", cell: (item) => item.text }], findings)),
      card("Classes", answer.profiles.length === 0 ? empty("No profile is loaded: every device is turned away.") : table("Classes", [
        { title: "Class", head: true, cell: (item) => h("a", { href: `#/devices?class=${encodeURIComponent(item.class)}` }, item.class) },
        { title: "Calling again", cell: (item) => `A device ${POLICIES[item.rebootstrap] ?? item.rebootstrap}` }, { title: "File", cell: (item) => `${item.file}, line ${item.line}` },
        { title: "Servers", cell: (item) => (item.servers ?? []).map((server) => h("div", null, `No. ${server.id}: ${stands.get(`${item.class} ${server.id}`) > 0 ? `one of ${stands.get(`${item.class} ${server.id}`)} places, see below` : server.uri}`)) }], answer.profiles)), shares(servers)].filter(Boolean);
  },
};
