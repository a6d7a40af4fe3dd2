// SPDX-License-Identifier: Apache-2.0
// What must hold for every view; the value is a list of what is wrong.
const wrong = [];
const visible = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden";
const name = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> "${element.textContent.trim().slice(0, 40)}"`;

// Nothing wider than the window; nothing cut off.
const root = document.documentElement;
if (root.scrollWidth > innerWidth + 1) {
  const wide = [...document.body.querySelectorAll("*")].filter((item) => item.getBoundingClientRect().right > innerWidth + 1 && !item.closest(".scroll, pre, .skip"));
  wrong.push(`the page is ${root.scrollWidth} wide in a window of ${innerWidth}: ${wide.slice(0, 3).map(name).join("; ")}`);
}

// Contrast by WCAG 2.1: 4.5 to 1, large text 3 to 1.
const parse = (text) => text.match(/[\d.]+/g).map(Number);
const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
function behind(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
  if (!own || !visible(element) || element.closest(".hidden, .skip, :disabled")) continue;
  const style = getComputedStyle(element);
  const ink = light(parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color)), paper = light(behind(element));
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)}: ${name(element)}`);
}

// One h1, no level left out; labels; names of pictures and buttons.
const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(visible).map((item) => Number(item.tagName[1]));
if (levels.filter((level) => level === 1).length !== 1) wrong.push(`${levels.filter((level) => level === 1).length} headings of level 1`);
levels.forEach((level, index) => { if (index > 0 && level > levels[index - 1] + 1) wrong.push(`a heading of level ${level} behind one of level ${levels[index - 1]}`); });
for (const input of document.querySelectorAll("input, select, textarea")) if (input.labels.length === 0) wrong.push(`no label: ${input.outerHTML}`);
for (const button of document.querySelectorAll("button, a[href]")) if ((button.textContent.trim() || button.getAttribute("aria-label") || "") === "") wrong.push(`no name: ${button.outerHTML}`);
for (const picture of document.querySelectorAll("img")) if (!picture.hasAttribute("alt")) wrong.push(`no alt: ${picture.outerHTML}`);
for (const picture of document.querySelectorAll('[role="img"]')) if (!picture.getAttribute("aria-label")) wrong.push(`no label: ${picture.outerHTML.slice(0, 80)}`);
const ids = [...document.querySelectorAll("[id]")].map((item) => item.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`the id ${id} twice`);

// Nothing from elsewhere.
for (const entry of performance.getEntriesByType("resource")) if (!entry.name.startsWith(location.origin)) wrong.push(`asks elsewhere: ${entry.name}`);
// Nothing half made.
if (/undefined|NaN|\[object|null/.test(document.body.innerText)) wrong.push(`says ${document.body.innerText.match(/.{0,30}(undefined|NaN|\[object|null).{0,30}/)[0]}`);
return wrong;
