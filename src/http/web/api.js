// SPDX-License-Identifier: Apache-2.0
// Asking the server: JSON with the token, if there is one, and the stream of events.

const KEY = "usher-token";
export const hasToken = () => sessionStorage.getItem(KEY) !== null;
export const setToken = (token) => token ? sessionStorage.setItem(KEY, token) : sessionStorage.removeItem(KEY);

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers(more = {}) {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}`, ...more } : more;
}

async function problemOf(answer) {
  let detail = `The server answered ${answer.status}.`;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch { /* not one of its own documents */ }
  return new Problem(answer.status, detail);
}

export async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method, headers: headers(body ? { "Content-Type": "application/json" } : {}), body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(0, "The server does not answer. Is usherd running, and can this computer reach it?");
  }
  const good = answer.ok || (path === "readyz" && answer.status === 503);
  if (!good) throw await problemOf(answer);
  return answer.json();
}
export const get = (path) => ask("GET", path);
export const devicePath = (endpoint, tail = "") => `v1/devices/${encodeURIComponent(endpoint)}${tail}`;

// Calls `each` with every event until `signal` is aborted; takes the stream up again when it breaks off.
export async function follow(each, told, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const answer = await fetch("v1/events", { headers: headers(last ? { "Last-Event-ID": last } : {}), signal });
      if (!answer.ok) throw await problemOf(answer);
      told("connected");
      await readStream(answer.body.getReader(), (id, event) => {
        last = id ?? last;
        each(event);
      });
    } catch (problem) {
      if (signal.aborted) return;
      if (problem.status === 401 || problem.status === 403) throw problem;
    }
    told("lost");
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function readStream(reader, each) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      let id = null, data = null;
      for (const line of part.split("\n")) {
        if (line.startsWith("id: ")) id = line.slice(4);
        if (line.startsWith("data: ")) data = line.slice(6);
      }
      if (data !== null) each(id, JSON.parse(data));
    }
  }
}
