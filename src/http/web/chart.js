// SPDX-License-Identifier: Apache-2.0
// The last hour: bars of what was done and what failed, lines of how long it took.
import { h, s } from "./dom.js";
import { causeWord, duration, number } from "./words.js";

const LEFT = 40, RIGHT = 56, TOP = 12, BOTTOM = 30;
let width = 900, height = 260;

// On a phone the picture is drawn smaller, so that its text stays as large as that around it.
function fitWindow() {
  [width, height] = innerWidth < 600 ? [360, 220] : [900, 260];
}

function niceTop(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, 4) / 4));
  return [4, 8, 12, 20, 40].map((step) => step * unit).find((step) => step >= value);
}

const failedOf = (minute) => Object.values(minute.failed).reduce((sum, count) => sum + count, 0);
const x = (index) => LEFT + (index * (width - LEFT - RIGHT)) / 60;
const y = (value, top) => height - BOTTOM - (value / top) * (height - TOP - BOTTOM);

function bar(index, from, value, top, tone) {
  if (value === 0) return null;
  const upper = y(from + value, top);
  return s("rect", { x: x(index) + 1, y: upper, width: (width - LEFT - RIGHT) / 60 - 2, height: Math.max(y(from, top) - upper, 1), class: `fill-${tone}` });
}

// Minutes without a bootstrap break the line.
function line(minutes, key, top, name) {
  const alone = (index) => (minutes[index - 1]?.[key] ?? null) === null && (minutes[index + 1]?.[key] ?? null) === null;
  let path = "", open = false;
  minutes.forEach((minute, index) => {
    if (minute[key] === null) {
      open = false;
      return;
    }
    const point = `${(x(index) + 2).toFixed(1)} ${y(minute[key], top).toFixed(1)}`;
    path += open ? `L${point}` : `M${point}`;
    if (alone(index)) path += "h8";
    open = true;
  });
  return s("path", { d: path, class: name, "stroke-linecap": "round" });
}

function axes(minutes, top, topMs) {
  const parts = [];
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(part * top, top);
    parts.push(s("line", { x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
    parts.push(s("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, number(part * top)));
    if (topMs > 0) parts.push(s("text", { x: width - RIGHT + 6, y: at + 4 }, duration(part * topMs)));
  }
  for (let index = 0; index < 60; index += width < 600 ? 20 : 15) {
    const time = new Date(minutes[index].start).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    parts.push(s("text", { x: x(index), y: height - 8 }, time));
  }
  parts.push(s("text", { x: width - RIGHT, y: height - 8, "text-anchor": "end" }, "now"));
  return parts;
}

const swatch = (tone) => s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { width: 10, height: 10, class: `fill-${tone}` }));
const stroke = (dashed) => s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("path", { d: "M0 5h10", "stroke-dasharray": dashed ? "3 2" : null }));

export function lastHour(minutes) {
  fitWindow();
  const done = minutes.reduce((sum, minute) => sum + minute.done + minute.unconfirmed, 0);
  const failed = minutes.reduce((sum, minute) => sum + failedOf(minute), 0);
  const away = minutes.reduce((sum, minute) => sum + minute.turned_away, 0);
  const summary = `${number(done)} set up, ${number(failed)} failed, ${number(away)} turned away in the last hour`;
  const top = niceTop(Math.max(...minutes.map((minute) => minute.done + minute.unconfirmed + failedOf(minute))));
  const topMs = niceTop(Math.max(0, ...minutes.map((minute) => minute.p90_ms ?? 0)));
  const bars = minutes.map((minute, index) => {
    const good = minute.done + minute.unconfirmed;
    return [bar(index, 0, good, top, "good"), bar(index, good, failedOf(minute), top, "bad")];
  });
  const causes = {};
  for (const minute of minutes) for (const [cause, count] of Object.entries(minute.failed)) causes[cause] = (causes[cause] ?? 0) + count;
  const picture = s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": summary },
    axes(minutes, top, done > 0 ? topMs : 0), bars, line(minutes, "p50_ms", topMs, "narrow"), line(minutes, "p90_ms", topMs, "wide"));
  return h("div", null, h("p", null, summary, "."), picture,
    h("ul", { class: "legend" }, h("li", null, swatch("good"), "set up a minute"), h("li", null, swatch("bad"), "failed a minute"),
      h("li", null, stroke(false), "half took no longer than"), h("li", null, stroke(true), "nine of ten took no longer than")),
    failed > 0 ? h("p", { class: "quiet" }, "Failed because: ", Object.entries(causes).map(([cause, count]) => `${causeWord(cause)} (${number(count)})`).join(", ")) : null);
}
