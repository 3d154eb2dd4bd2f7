/** The session of this tab: its id lives in sessionStorage, and no other tab may use it at the same time. */
import { ApiError, get, post, remove } from "./api.js";
import { say } from "./messages.js";

/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./types.js").Generation} Generation */

const STORED = "evovae.session";
let /** @type {Session} */ session;
let /** @type {Map<number, Generation>} */ seen = new Map();

export const current = () => session;
export const path = (suffix = "") => `sessions/${session.id}${suffix}`;

/** Takes the id for this tab, as long as it lives. @param {string} id @returns {Promise<boolean>} */
function take(id) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(`evovae-${id}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise(() => {}) : undefined;
    });
  });
}

/** A page that is being reloaded may hold its id a moment longer. @param {string} id */
async function takeSoon(id) {
  for (let i = 0; i < 4; i++) {
    if (await take(id)) return true;
    await new Promise((resume) => setTimeout(resume, 60));
  }
  return false;
}

/** @param {Session} next @param {boolean} another  whether it is not the one that was shown */
function adopt(next, another) {
  session = next;
  if (another) {
    seen = new Map();
    sessionStorage.setItem(STORED, next.id);
    document.dispatchEvent(new CustomEvent("evovae:session"));
  }
  document.dispatchEvent(new CustomEvent("evovae:favourites"));
}

async function fresh() {
  const next = await post("sessions", { seed: null });
  await take(next.id);
  adopt(next, true);
}

/** Resumes the session of this tab, or begins one. */
export async function start() {
  const id = sessionStorage.getItem(STORED);
  if (!id) return fresh();
  try {
    if (await takeSoon(id)) return adopt(await get(`sessions/${id}`), true);
    const copy = await post(`sessions/${id}/copy`, {});
    await take(copy.id);
    adopt(copy, true);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    await fresh();
    say("The explorer was restarted, so this is a new session.");
  }
}

/** After the server was lost: the session may be gone with it. */
export async function resume() {
  try {
    adopt(await get(path()), false);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    await fresh();
    say("The explorer was restarted, so this is a new session.");
  }
}

/** @param {Blob} file  a saved session */
export async function open(file) {
  const next = await post("sessions/open", file);
  await take(next.id);
  adopt(next, true);
}

/** What is asked of the session; where the server knows it no more, another one begins. */
/** @template Answer @param {Promise<Answer>} answer @returns {Promise<Answer>} */
async function ask(answer) {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    const { id } = session;
    await resume();
    throw session.id === id ? error : new DOMException("another session began", "AbortError");
  }
}

/** @param {number} index @param {AbortSignal} [signal] @returns {Promise<Generation>} */
export async function generation(index, signal) {
  const known = seen.get(index);
  return known ?? remember(await ask(get(path(`/generations/${index}`), signal)));
}

/** A new generation: "breed", "draw" or "start". @param {string} how @param {any} body @returns {Promise<Generation>} */
export async function grow(how, body) {
  const { id } = session;
  const made = await ask(post(path(`/${how}`), body));
  if (id !== session.id) return made;
  session.generations[made.generation] = made;
  return remember(made);
}

/** @param {Generation} made */
function remember(made) {
  seen.set(made.generation, made);
  return made;
}

/** @param {import("./types.js").Genome} genome @param {string} origin */
export const keep = (genome, origin) => change(path("/favourites"), (to) => post(to, { genome, origin }));
/** @param {number} number */
export const unkeep = (number) => change(path(`/favourites/${number}`), remove);

let turn = Promise.resolve();

/** Each change waits for the answer to the one before: of two quick clicks, the first's answer must not come last. */
/** @param {string} to @param {(to: string) => Promise<Session>} make */
function change(to, make) {
  const made = turn.then(async () => update(await ask(make(to))));
  turn = made.catch(() => undefined).then(() => undefined);
  return made;
}

/** An answer that comes after another session was opened says nothing of that one. @param {Session} next */
const update = (next) => next.id === session.id && adopt(next, false);

/** The favourite with this genome. @param {import("./types.js").Genome} genome */
export function favourite(genome) {
  const key = String(genome);
  return session.favourites.find((other) => String(other.genome) === key);
}
