// SPDX-License-Identifier: Apache-2.0
// Plain words for states, steps and codes; numbers, times.

const STATES = {
  new: ["Waiting for first contact", "idle"], seen: ["Connected", "busy"], writing: ["Being set up", "busy"],
  verifying: ["Finishing", "busy"], bootstrapped: ["Set up", "good"], unconfirmed: ["Set up, not confirmed", "warn"],
  failed: ["Failed", "bad"], held: ["Waiting for approval", "warn"], blocked: ["Blocked", "bad"],
};
export const stateNames = Object.keys(STATES);
export const stateWord = (state) => (STATES[state] ?? [state])[0];
export const stateTone = (state) => (STATES[state] ?? ["", "idle"])[1];

const CAUSES = {
  "endpoint-mismatch": "Name does not fit the key", "no-profile": "No profile for it", "write-rejected": "Refused a setting",
  "finish-rejected": "Refused at the end", timeout: "Stopped answering", "dtls-alert": "Broke the secure connection off",
  "store-unavailable": "Our database did not answer", "handoff-failed": "Hand-over to its server failed",
  superseded: "Called again meanwhile", reset: "Refused a message", deadline: "Took too long", "bad-request": "Malformed request",
  "unsupported-format": "No common data format", "plan-failed": "Profile cannot be applied", "not-allowed": "Not allowed to call again",
  shutdown: "Server was stopped", closed: "Hung up early", removed: "Removed or blocked meanwhile",
  "unknown-identity": "Not enrolled", "bad-key": "Wrong key", blocked: "Blocked", "bad-certificate": "Certificate not accepted",
  "handshake-timeout": "Never finished connecting", "handshake-failed": "Could not connect securely",
  "no-ciphersuite": "No common encryption", limit: "No room at that moment", held: "Waits to be enrolled", held: "Waits to be enrolled", none: "None",
};
export const causeWord = (cause) => CAUSES[cause] ?? cause;

const OBJECTS = { 0: "Server account (Security)", 1: "Server settings", 2: "Access rights", 3: "Device", 4: "Connectivity", 5: "Firmware", 6: "Location", 7: "Statistics", 21: "OSCORE keys" };
export function pathWord(path) {
  const object = path.split("/")[1];
  return path === "/" || path === "" ? "" : OBJECTS[object] ?? `Object ${object}`;
}
const OPERATIONS = { discover: "Ask what is there", read: "Read", delete: "Remove old settings", write: "Write", finish: "Finish" };
export const operationWord = (operation) => OPERATIONS[operation] ?? operation;

const CODES = {
  "2.01": "created", "2.02": "removed", "2.04": "accepted", "2.05": "answered", "4.00": "refused: bad request", "4.01": "refused: not authorised",
  "4.02": "refused: bad option", "4.03": "refused: forbidden", "4.04": "refused: not found", "4.05": "refused: not allowed", "4.06": "refused: not acceptable",
  "4.08": "refused: incomplete", "4.13": "refused: too large", "4.15": "refused: format not known", "5.00": "device error", "5.01": "not supported by device",
};
export const codeWord = (code) => code === null ? "no answer" : `${CODES[code] ?? "answered"} (${code})`;
export const codeTone = (code) => code === null ? "bad" : code.startsWith("2") ? "good" : "bad";

export const number = (value) => value.toLocaleString("en");
/** A name as one word of a shell, whatever is in it; one that begins with a dash is no option. */
export function shellWord(text) {
  const word = `'${text.replaceAll("'", "'\\''")}'`;
  return text.startsWith("-") ? `-- ${word}` : word;
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60000).toFixed(1)} min`;
}
export function bytes(count) {
  return count < 2048 ? `${number(count)} bytes` : `${number(Math.round(count / 1024))} KB`;
}
export function when(text) {
  if (!text) return "never";
  const time = new Date(text), age = (Date.now() - time) / 1000;
  if (age < 0 || age > 86400 * 6) return time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  if (age < 45) return "just now";
  if (age < 3600) return `${Math.round(age / 60) || 1} min ago`;
  return age < 86400 ? `${Math.round(age / 3600)} h ago` : `${Math.round(age / 86400)} days ago`;
}
export const clock = (text) => text ? new Date(text).toLocaleTimeString("en-GB") : "";
export const fullTime = (text) => text ? new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "never";
