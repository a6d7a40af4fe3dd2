// SPDX-License-Identifier: Apache-2.0
// The list of devices, page by page, and the page of one.
import { ask, devicePath, get } from "./api.js";
import { card, empty, facts, h, pill, s, table } from "./dom.js";
import { bytes, causeWord, codeTone, codeWord, duration, fullTime, number, operationWord, pathWord, stateNames, stateTone, stateWord, when } from "./words.js";

const PAGE = 100;
const FILTERS = ["prefix", "class", "state", "cause", "tag"];
export const deviceLink = (endpoint) => h("a", { href: `#/device/${encodeURIComponent(endpoint)}` }, endpoint);

// ---- the list ----

function field(name, title, input) {
  return h("div", null, h("label", { for: `f-${name}` }, title), input);
}

function filterForm(query, classes) {
  const option = (value, text) => h("option", { value }, text);
  const select = (name, choices) => {
    const element = h("select", { id: `f-${name}`, name }, option("", "All"), choices.map(([value, text]) => option(value, text)));
    element.value = query.get(name) ?? "";
    return element;
  };
  return h("form", {
    class: "filters", role: "search", "aria-label": "Find devices",
    onsubmit(event) {
      event.preventDefault();
      const wanted = new URLSearchParams([...new FormData(event.target)].filter((entry) => entry[1] !== ""));
      if (query.get("cause")) wanted.set("cause", query.get("cause"));
      location.hash = `#/devices?${wanted}`;
    },
  }, field("prefix", "Name begins with", h("input", { id: "f-prefix", name: "prefix", type: "search", value: query.get("prefix"), autocomplete: "off", spellcheck: "false" })),
  field("class", "Class", select("class", classes.map((name) => [name, name]))),
  field("state", "State", select("state", stateNames.map((state) => [state, stateWord(state)]))),
  field("tag", "Tag", h("input", { id: "f-tag", name: "tag", value: query.get("tag"), placeholder: "district:north", autocomplete: "off", spellcheck: "false" })),
  h("button", { type: "submit" }, "Search"));
}

const columns = [
  { title: "Device", head: true, cell: (row) => deviceLink(row.endpoint) },
  { title: "Class", cell: (row) => row.class ?? "not yet known" },
  { title: "State", cell: (row) => pill(stateWord(row.state), stateTone(row.state)) },
  { title: "Why", cell: (row) => row.cause ? causeWord(row.cause) : "" },
  { title: "Last set-up", tight: true, cell: (row) => when(row.last_bootstrap) },
  { title: "Took", number: true, tight: true, cell: (row) => duration(row.duration_ms) },
];

function pager(query, page) {
  const past = (query.get("past") ?? "").split(",").filter(Boolean);
  const go = (cursor, trail) => {
    const next = new URLSearchParams(query);
    for (const name of ["cursor", "past"]) next.delete(name);
    if (cursor) next.set("cursor", cursor);
    if (trail.length > 0) next.set("past", trail.join(","));
    location.hash = `#/devices?${next}`;
  };
  const here = query.get("cursor") ?? "-";
  return h("div", { class: "actions" },
    h("button", { type: "button", disabled: past.length === 0, onclick: () => go(past.at(-1) === "-" ? null : past.at(-1), past.slice(0, -1)) }, "Previous page"),
    h("button", { type: "button", disabled: page.next === null, onclick: () => go(page.next, [...past, here]) }, "Next page"),
    h("span", { class: "quiet" }, `Page ${past.length + 1}, ${number(page.devices.length)} devices`));
}

export const devices = {
  title: "Devices",
  async render(query) {
    const wanted = new URLSearchParams({ limit: PAGE });
    for (const name of [...FILTERS, "cursor"]) if (query.get(name)) wanted.set(name, query.get(name));
    const [page, profiles] = await Promise.all([get(`v1/devices?${wanted}`), get("v1/profiles")]);
    const cause = query.get("cause");
    return [h("h1", null, "Devices"), card(null, filterForm(query, profiles.profiles.map((profile) => profile.class)),
      cause ? h("p", { class: "quiet" }, `Only those that failed with “${causeWord(cause)}”. `, h("a", { href: "#/devices" }, "Show all")) : null),
    card(null, page.devices.length === 0 ? empty("No device fits.") : table("Devices", columns, page.devices), pager(query, page))];
  },
};

// ---- one device ----

function step(name, detail, at, length, total, tone, outcome) {
  return h("li", null, h("span", null, name, h("small", null, detail)),
    h("span", { class: "bar-box" }, s("svg", { viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { x: Math.min((at / total) * 1000, 994), y: 0, width: Math.max((length / total) * 1000, 6), height: 10, class: `fill-${tone}` }))),
    h("span", null, `${duration(length)} `, outcome));
}

export function timeline(outcome) {
  const total = Math.max(outcome.duration_ms, outcome.handshake_ms + outcome.steps.reduce((sum, item) => sum + item.duration_ms, 0), 1);
  let at = outcome.handshake_ms;
  const steps = outcome.steps.map((item) => {
    const from = at;
    at += item.duration_ms;
    const repeats = item.attempts > 1 ? `, sent ${item.attempts} times` : "";
    const detail = item.operation === "finish" ? "" : [pathWord(item.path), item.path].filter(Boolean).join(" · ");
    return step(operationWord(item.operation), detail + repeats, from, item.duration_ms, total, codeTone(item.code) === "good" ? "good" : "bad", codeWord(item.code));
  });
  return h("ol", { class: "steps" }, step("Secure connection", "DTLS handshake", 0, outcome.handshake_ms, total, "busy", "established"), steps);
}

function outcomeFacts(outcome) {
  return facts([["Result", pill(stateWord(outcome.state), stateTone(outcome.state))], ["Why", outcome.cause ? `${causeWord(outcome.cause)}. ${outcome.cause_text}` : null],
    ["In detail", outcome.detail], ["Began", fullTime(outcome.started)], ["Took", duration(outcome.duration_ms)], ["From", outcome.source],
    ["Traffic", `${bytes(outcome.bytes_sent)} sent, ${bytes(outcome.bytes_received)} received`], ["Warnings", outcome.warnings.length > 0 ? outcome.warnings.join("; ") : null]]);
}

function valueText(value) {
  if (value.secret) return h("em", null, "secret, not shown");
  if (value.text !== undefined) return value.text;
  return value.hex !== undefined ? `${value.hex} (bytes)` : String(value.value ?? "");
}

function planView(plan) {
  if (plan.refused) return h("div", { class: "notice warn" }, h("p", null, "It would be turned away today: ", plan.refused));
  return h("ol", null, plan.operations.map((operation) => h("li", null, h("h3", null, operation.operation === "finish" ? operationWord("finish") : `${operationWord(operation.operation)}: ${pathWord(operation.path)} (${operation.path})`),
    (operation.values ?? []).length > 0 ? h("details", null, h("summary", null, `${operation.values.length} values`), table(`Values of ${operation.path}`, [
      { title: "Setting", head: true, cell: (value) => value.name ?? value.path }, { title: "Value", cell: valueText }, { title: "Path", tight: true, cell: (value) => value.path }], operation.values)) : null)));
}

async function orProblem(path) {
  try {
    return await get(path);
  } catch (problem) {
    return { problem };
  }
}

function historyView(history) {
  if (history.outcomes.length === 0) return empty("It has never called.");
  const accepted = (outcome) => outcome.state === "new"; // told by an operator, not by the device
  return h("ul", { class: "log" }, history.outcomes.map((outcome) => h("li", null, h("time", { datetime: outcome.started, title: fullTime(outcome.started) }, when(outcome.started)),
    h("span", null, accepted(outcome) ? pill("Accepted", "good") : pill(stateWord(outcome.state), stateTone(outcome.state))),
    accepted(outcome) ? h("span", null, "Somebody let it be set up once more") : h("details", null, h("summary", null, outcome.cause ? causeWord(outcome.cause) : `Done in ${duration(outcome.duration_ms)}`), outcomeFacts(outcome), timeline(outcome)))));
}

function actions(device, caller, again) {
  if (!["operator", "admin"].includes(caller.scope)) return null;
  const act = (tail, button) => async () => {
    button.disabled = true;
    try {
      await ask("POST", devicePath(device.endpoint, tail));
    } finally {
      again();
    }
  };
  const approve = h("button", { type: "button" }, "Approve this device");
  approve.addEventListener("click", act("/accept", approve));
  const button = h("button", { type: "button", class: device.blocked ? null : "danger" }, device.blocked ? "Let it in again" : "Block this device");
  button.addEventListener("click", act(device.blocked ? "/unblock" : "/block", button));
  return h("div", { class: "actions" }, device.state === "held" ? approve : null, button);
}

export const device = {
  title: "Device",
  every: 5000,
  async render(query, endpoint, { caller, again }) {
    const item = await get(devicePath(endpoint));
    const [plan, history] = await Promise.all([orProblem(devicePath(endpoint, "/plan")), orProblem(devicePath(endpoint, "/history?limit=10"))]);
    const tags = Object.entries(item.tags).map(([name, value]) => `${name}: ${value}`).join(", ");
    const last = (history.outcomes ?? []).find((outcome) => outcome.state !== "new") ?? item.last_outcome;
    return [h("p", null, h("a", { href: "#/devices" }, "All devices")), h("h1", null, item.endpoint),
      h("div", { class: "grid" }, card("Now", facts([["State", pill(stateWord(item.state), stateTone(item.state))], ["Why", item.cause ? `${causeWord(item.cause)}. ${item.cause_text}` : null],
        ["Class", item.class ?? "not yet known"], ["Identity", item.identity], ["Tags", tags], ["Set up so far", `${number(item.bootstraps)} ${item.bootstraps === 1 ? "time" : "times"}`], ["Last attempt", when(item.last_bootstrap)], ["Enrolled", fullTime(item.created)]]),
      actions(item, caller, again)),
      card("Keys of its servers", item.credentials.length === 0 ? empty("None yet: they are made when it calls.") : table("Keys of its servers", [
        { title: "Server", head: true, cell: (key) => key.ssid === 0 ? "this one, for bootstraps" : `No. ${key.ssid}` }, { title: "State", cell: (key) => ({ pending: "being handed over", active: "in use", retiring: "being replaced" })[key.status] ?? key.status },
        { title: "Identity", cell: (key) => key.identity ?? "" }], item.credentials))),
      card("The last set-up, step by step", last ? [outcomeFacts(last), h("h3", { class: "hidden" }, "Steps"), timeline(last)] : empty("It has not called yet.")),
      card("What it would receive today", plan.problem ? h("div", { class: "notice warn" }, h("p", null, plan.problem.message)) : planView(plan)),
      card("Its history", history.problem ? empty(history.problem.message) : historyView(history))];
  },
};
