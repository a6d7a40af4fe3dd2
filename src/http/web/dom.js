// SPDX-License-Identifier: Apache-2.0
// Making elements. Text is always text: nothing that comes from a device is taken for markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(2)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export const pill = (text, tone) => h("span", { class: `pill ${tone}` }, text);
export const card = (title, ...children) => h("section", { class: "card" }, title ? h("h2", null, title) : null, ...children);
export const empty = (text) => h("p", { class: "empty" }, text);
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter((pair) => pair[1] !== null && pair[1] !== "").map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

// A table that becomes a list of cards on a phone. A column is {title, cell(row), number, tight, head}.
export function table(caption, columns, rows) {
  const cell = (column, row) => h(column.head ? "th" : "td", {
    class: [column.number ? "number" : "", column.tight ? "tight" : ""].join(" ").trim() || null, "data-label": column.title, scope: column.head ? "row" : null,
  }, column.cell(row));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", { class: "stack" }, h("caption", { class: "hidden" }, caption),
    h("thead", null, h("tr", null, columns.map((column) => h("th", { scope: "col", class: column.number ? "number" : null }, column.title)))),
    h("tbody", null, rows.map((row) => h("tr", null, columns.map((column) => cell(column, row)))))));
}

// Parts of a whole, side by side: [{value, tone, label}].
export function meter(parts, label) {
  const all = parts.reduce((sum, part) => sum + part.value, 0) || 1;
  let at = 0;
  const rects = parts.filter((part) => part.value > 0).map((part) => {
    const rect = s("rect", { x: at, y: 0, width: (part.value / all) * 100, height: 10, class: `fill-${part.tone}` });
    at += (part.value / all) * 100;
    return rect;
  });
  return h("span", { class: "meter", role: "img", "aria-label": label }, s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none" }, rects));
}
