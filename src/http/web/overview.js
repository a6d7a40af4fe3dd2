// SPDX-License-Identifier: Apache-2.0
// The first page: how the server is, devices by class and state, the last hour.
import { get } from "./api.js";
import { lastHour } from "./chart.js";
import { card, empty, facts, h, meter, pill, table } from "./dom.js";
import { number, stateTone, stateWord, when } from "./words.js";

const sum = (object) => Object.values(object).reduce((all, value) => all + value, 0);

function tiles(status) {
  const by = status.devices.by_state;
  const items = [
    ["All devices", status.devices.total, "", "#/devices"], [stateWord("bootstrapped"), by.bootstrapped, "good", "#/devices?state=bootstrapped"],
    [stateWord("new"), by.new, "", "#/devices?state=new"], ["Under way now", sum(status.in_progress), "busy", "#/live"],
    [stateWord("failed"), by.failed, "bad", "#/failures"], ["Turned away", sum(status.rejects), "warn", "#/turned-away"],
  ];
  for (const [state, tone] of [["held", "warn"], ["unconfirmed", "warn"], ["blocked", "bad"]]) {
    if (by[state] > 0) items.push([stateWord(state), by[state], tone, `#/devices?state=${state}`]);
  }
  return h("ul", { class: "tiles" }, items.map(([name, count, tone, link]) => h("li", null, h("a", { class: tone, href: link }, h("strong", null, number(count)), name))));
}

function classTable(classes) {
  if (classes.length === 0) return empty("No device is enrolled yet. The command “usher enroll” enrols one, “usher import” many.");
  const count = (state) => ({ title: stateWord(state), number: true, cell: (row) => number(row.by_state[state] ?? 0) });
  return table("Devices by class and state", [
    { title: "Class", head: true, cell: (row) => row.class === null ? "not yet known" : h("a", { href: `#/devices?class=${encodeURIComponent(row.class)}` }, row.class) },
    { title: "Share", cell: (row) => meter(Object.entries(row.by_state).map(([state, value]) => ({ value, tone: stateTone(state) })),
      Object.entries(row.by_state).filter((entry) => entry[1] > 0).map(([state, value]) => `${stateWord(state)}: ${value}`).join(", ")) },
    { title: "All", number: true, cell: (row) => number(row.total) }, count("bootstrapped"), count("new"), count("failed"),
  ], classes);
}

function health(status) {
  const names = { store: "Database", listeners: "Door for devices", profiles: "Profiles" };
  return card("This server", facts(status.checks.map((check) => [names[check.name] ?? check.name,
    h("span", null, pill(check.ok ? "fine" : "not ready", check.ok ? "good" : "bad"), check.reason ? ` ${check.reason}` : "")])),
  h("p", { class: "quiet after" }, `Started ${when(status.started)}, version ${status.version}. ${number(status.store.queue_depth)} changes wait for the disk.`));
}

export const overview = {
  title: "Overview",
  every: 5000,
  async render() {
    const [status, series] = await Promise.all([get("v1/status"), get("v1/series")]);
    return [h("h1", null, "Overview"),
      status.ready ? null : h("div", { class: "notice bad" }, h("p", null, "The server cannot serve devices now: ", status.checks.filter((check) => !check.ok).map((check) => check.reason).join("; "))),
      tiles(status), card("The last hour", lastHour(series.minutes)), card("By class", classTable(status.devices.by_class)), health(status)];
  },
};
