// Asks the API. A failure is an ApiError whose words a person can read.

/** Who is signed in; `refresh` fills it. */
export const session = { user: "", role: "", csrf: "", loginRequired: false, passwords: true };

const rank = { viewer: 1, billing: 2, operator: 3 };

/** Whether the one who is signed in may do what a role may. */
export const may = (role) => (rank[session.role] ?? 0) >= rank[role];

/** A refusal (RFC 9457), or that nobody answered (status 0). */
export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(problem.detail || problem.title || (status ? `The server answered ${status}.` : "The server did not answer."));
    this.status = status;
    this.problem = problem;
  }
}

let onSignedOut = () => {};
/** f is called when the session is over. */
export const whenSignedOut = (f) => { onSignedOut = f; };

async function ask(method, path, { body, signal, quiet } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
  const limit = AbortSignal.timeout(20_000);
  let answer;
  try {
    answer = await fetch("/api/v1" + path, {
      method, headers, credentials: "same-origin", cache: "no-store", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (err) {
    if (signal?.aborted) throw err;
    throw new ApiError(0, { detail: limit.aborted ? "The server took longer than 20 s. Ask for less, or try again." : "The server cannot be reached." });
  }
  const kind = answer.headers.get("Content-Type") ?? "";
  const content = /\bjson\b/.test(kind) ? await answer.json().catch(() => ({})) : {};
  if (answer.ok) return content;
  if (answer.status === 401 && !quiet) onSignedOut();
  throw new ApiError(answer.status, content);
}

/** GET with a query; empty values are left out. */
export const get = (path, query, options) => ask("GET", path + search(query), options);
export const post = (path, body = {}, options) => ask("POST", path, { ...options, body });
export const del = (path, options) => ask("DELETE", path, options);

/** "?a=b" of an object, "" of an empty one. */
export function search(query) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) {
    if (v !== "" && v !== null && v !== undefined) q.set(k, v);
  }
  const text = q.toString();
  return text ? "?" + text : "";
}

/** Learns who is signed in. */
export async function refresh() {
  let s;
  try {
    s = await get("/session", null, { quiet: true });
  } catch (err) {
    if (err.status !== 401) throw err;
    s = { login_required: true };
  }
  know(s);
  return session;
}

function know(s) {
  Object.assign(session, { user: s.user ?? "", role: s.role ?? "", csrf: s.csrf ?? "", loginRequired: Boolean(s.login_required), passwords: s.passwords !== false });
}

/** Signs in with {user, password} or {token}. */
export async function signIn(credentials) {
  await post("/session", credentials, { quiet: true });
  return refresh();
}

/** Signs out. */
export async function signOut() {
  await del("/session", { quiet: true });
  know({ login_required: true });
  onSignedOut();
}
