/**
 * Stages of a Piton workflow in Node: one file, no dependency, Node 18 or later.
 *
 *     import { serve } from "./piton.mjs";
 *     await serve(async (input, context) => ({ words: input.item.split(" ").length }));
 *
 * As a stage with `command = ["node", "count.mjs"]` it does one job and ends. With `warm = {...}` beside it the same file is started
 * once and does one job after another. By hand it reads its input from standard input: `echo '{"item": "to be"}' | node count.mjs`.
 */

import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { inspect } from "node:util";

/** An attempt that did not finish. Its class decides whether, when and how often the job is tried again. */
export class Failure extends Error {
  static failureClass = "unknown";
  static exitCode = 70;

  /** `retryAfter` is a number of seconds, or a duration such as "30s"; `detail` is any JSON that is kept with the attempt. */
  constructor(message, { retryAfter, detail, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.retryAfter = retryAfter;
    this.detail = detail;
  }

  get failureClass() {
    return this.constructor.failureClass;
  }
}

const kind = (failureClass, exitCode) =>
  class extends Failure {
    static failureClass = failureClass;
    static exitCode = exitCode;
  };

export class NetworkTimeout extends kind("network_timeout", 124) {}
export class RateLimited extends kind("rate_limited", 75) {}
export class ResourceUnavailable extends kind("resource_unavailable", 69) {}
export class OutOfMemory extends kind("out_of_memory", 71) {}
export class InvalidInput extends kind("invalid_input", 65) {}
export class AuthFailure extends kind("auth_failure", 77) {}
export class Unknown extends kind("unknown", 70) {}
/** Nobody wants the answer any more: the time is up, the run was cancelled, or the worker stops. */
export class Cancelled extends kind("unknown", 70) {}

const KINDS = [NetworkTimeout, RateLimited, ResourceUnavailable, OutOfMemory, InvalidInput, AuthFailure, Unknown];

/** The failure that the status of an HTTP answer stands for, as Piton's own requests see it. */
export function ofStatus(status, message = `the server answered ${status}`, retryAfter = undefined) {
  const more = { retryAfter };
  if ([408, 504, 524].includes(status)) return new NetworkTimeout(message, more);
  if (status === 429 || (status === 403 && retryAfter !== undefined)) return new RateLimited(message, more);
  if ([401, 403, 407].includes(status)) return new AuthFailure(message, more);
  if (status === 425 || (status >= 500 && status < 600) || retryAfter !== undefined) return new ResourceUnavailable(message, more);
  return new InvalidInput(message, more);
}

const TIMEOUTS = ["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"];
const REFUSALS = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

/** What something that a handler threw is for Piton. */
function failureOf(error) {
  if (error instanceof Failure) return error;
  // `fetch` hides the reason one level down.
  const codes = [error?.code, error?.cause?.code];
  const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const detail = error instanceof Error ? { stack: String(error.stack).slice(0, 4096) } : undefined;
  if (error?.name === "TimeoutError" || codes.some((code) => TIMEOUTS.includes(code))) return new NetworkTimeout(said, { detail });
  if (codes.some((code) => REFUSALS.includes(code))) return new ResourceUnavailable(said, { detail });
  return new Unknown(said, { detail });
}

// Characters of a message and of a detail: what is longer is cut, for Piton reads no line without an end, and a class that it does
// not get to read decides nothing.
const MESSAGE = 4000;
const DETAIL = 60_000;

const cut = (text, most) => (text.length <= most ? text : `${text.slice(0, most)}…`);

/** What Piton hears of a failure. */
function saidOf({ failureClass, message, retryAfter }) {
  return { class: failureClass, message: cut(String(message), MESSAGE), retry_after: retryAfter };
}

/** The detail as JSON, whatever the handler put into it. */
function detailOf(detail) {
  try {
    const text = JSON.stringify(detail);
    return text === undefined || text.length <= DETAIL ? detail : cut(text, DETAIL);
  } catch {
    return cut(inspect(detail), DETAIL);
  }
}

/** What a job knows of itself, and what it can say while it works. */
class Context {
  #channel;
  #id;
  #cancel = new AbortController();

  constructor(about, channel) {
    this.run = about.run ?? "";
    this.workflow = about.workflow ?? "";
    this.stage = about.stage ?? "";
    this.item = about.item;
    this.attempt = about.attempt ?? 1;
    this.round = about.round;
    this.worker = about.worker ?? "";
    this.idempotencyKey = about.idempotency_key ?? "";
    this.traceparent = about.traceparent;
    this.tracestate = about.tracestate;
    this.token = about.token;
    this.timeout = about.timeout;
    this.inputs = about.inputs;
    this.artifacts = about.artifacts;
    this.env = { ...process.env, ...about.env };
    this.#id = about.id;
    this.#channel = channel;
  }

  /** Whether nobody wants the answer any more: end soon, whatever it is. */
  get cancelled() {
    return this.#cancel.signal.aborted;
  }

  /** The same as an AbortSignal, for `fetch` and the like. */
  get signal() {
    return this.#cancel.signal;
  }

  cancel() {
    this.#cancel.abort(new Cancelled("the job was cancelled"));
  }

  progress(done, of, note) {
    if (this.#channel) this.#channel.say({ type: "progress", id: this.#id, done, of, note });
    else if (of !== undefined && this.env.PITON_PROGRESS)
      fs.appendFileSync(this.env.PITON_PROGRESS, `${JSON.stringify({ done, of, note: note ?? "" })}\n`);
  }

  log(message, level = "info") {
    if (this.#channel) this.#channel.say({ type: "log", id: this.#id, level, message: cut(String(message), DETAIL) });
    else process.stderr.write(`${level}: ${message}\n`);
  }

  put(name, data) {
    const place = this.#place(name);
    fs.writeFileSync(place, data);
    return place;
  }

  async file(from, { name = path.basename(from), artifactType, contentType } = {}) {
    const source = path.resolve(from);
    if (this.#channel) {
      const asked = { type: "file", id: this.#id, path: source, name, artifact_type: artifactType, content_type: contentType };
      return (await this.#channel.ask(asked)).file;
    }
    const place = this.#place(name);
    if (place !== source) fs.copyFileSync(source, place);
    return { name, bytes: fs.statSync(place).size };
  }

  async step(name, work) {
    if (!this.#channel) return work();
    const known = await this.#channel.ask({ type: "step", id: this.#id, name });
    if (known.found) return known.value;
    const value = valueOf(await work());
    await this.#channel.ask({ type: "record", id: this.#id, name, value });
    return value;
  }

  #place(name) {
    if (!this.artifacts) throw new Unknown("there is no folder for files: PITON_ARTIFACTS is not set; set it to try this by hand");
    if (path.isAbsolute(name) || name.split(/[\\/]/).includes("..")) {
      throw new InvalidInput(`a file is kept under a relative name, and not under ${JSON.stringify(name)}`);
    }
    const place = path.join(this.artifacts, name);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    return place;
  }
}

const stages = new Map();

/** Registers a function for the stage of that name. */
export function stage(name, handler) {
  stages.set(name, handler);
  return handler;
}

function handlerFor(given, name) {
  const found = given ?? stages.get(name) ?? (stages.size === 1 ? [...stages.values()][0] : undefined);
  if (found) return found;
  const known = [...stages.keys()].sort().join(", ") || "none";
  throw new InvalidInput(`this program has no stage "${name}"; it has ${known}. Name it in PITON_STAGE to try it by hand`);
}

/** As it is after it was JSON; a failure where it cannot be. */
function valueOf(output) {
  try {
    return output === undefined ? null : JSON.parse(JSON.stringify(output) ?? "null");
  } catch (error) {
    throw new InvalidInput(`the output is no JSON: ${error.message}`, { cause: error });
  }
}

/**
 * Does the work of this process: one job, or as a warm program one after another. Without a handler, that of the job's stage among those
 * registered with `stage`, or the only one. With `text`, a string is the output as it is (`output = "text"`).
 */
export async function serve(handler, { text = false } = {}) {
  const socket = process.env.PITON_WARM;
  await (socket ? new Warm(await connected(socket)).serve(handler) : once(handler, text));
}

async function once(given, text) {
  const env = process.env;
  const context = new Context({
    run: env.PITON_RUN, workflow: env.PITON_WORKFLOW, stage: env.PITON_STAGE, item: env.PITON_ITEM ? Number(env.PITON_ITEM) : undefined,
    attempt: Number(env.PITON_ATTEMPT || 1), round: env.PITON_ROUND ? Number(env.PITON_ROUND) : undefined, worker: env.PITON_WORKER, idempotency_key: env.PITON_IDEMPOTENCY_KEY,
    traceparent: env.TRACEPARENT, tracestate: env.TRACESTATE, token: env.PITON_ATTEMPT_TOKEN, inputs: env.PITON_INPUTS,
    artifacts: env.PITON_ARTIFACTS,
  });
  const stop = () => context.cancel();
  process.once("SIGTERM", stop);
  try {
    const output = valueOf(await handlerFor(given, context.stage)(await input(), context));
    if (text && typeof output !== "string") throw new InvalidInput(`the output is to be a text, and is ${typeof output}`);
    const said = text ? output : JSON.stringify(output);
    // Whatever libraries print, it is no part of the output.
    if (env.PITON_OUTPUT) fs.writeFileSync(env.PITON_OUTPUT, said);
    else fs.writeSync(1, `${said}\n`);
  } catch (error) {
    const failure = failureOf(error);
    if (failure !== error) console.error(error);
    // The last line of standard error is what Piton reads.
    fs.writeSync(2, `\n${JSON.stringify(saidOf(failure))}\n`);
    process.exitCode = failure.constructor.exitCode;
  } finally {
    process.removeListener("SIGTERM", stop);
  }
}

async function input() {
  if (process.stdin.isTTY) return {};
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  const text = Buffer.concat(pieces).toString("utf8");
  try {
    return text.trim() ? JSON.parse(text) : {};
  } catch (error) {
    throw new InvalidInput(`the input is no JSON: ${error.message}`, { cause: error });
  }
}

function connected(place) {
  return new Promise((resolve, reject) => {
    const connection = net.createConnection(place);
    connection.once("connect", () => resolve(connection));
    connection.once("error", reject);
  });
}

/** The connection of a warm program to its worker: lines of JSON in both directions. */
class Warm {
  #connection;
  #questions = [];
  #jobs = Promise.resolve();
  #current;
  #cancelled = new Set();
  #gone = false;

  constructor(connection) {
    this.#connection = connection;
  }

  say(message) {
    this.#connection.write(`${JSON.stringify(message)}\n`);
  }

  /** Questions are answered one after another. */
  ask(message) {
    const before = this.#questions.at(-1)?.answered ?? Promise.resolve();
    const question = { id: message.id };
    question.answered = before
      .catch(() => {})
      .then(() => new Promise((resolve, reject) => {
        if (this.#gone) return void reject(new ResourceUnavailable("the worker is gone"));
        Object.assign(question, { resolve, reject });
        this.say(message);
      }))
      .finally(() => this.#questions.splice(this.#questions.indexOf(question), 1));
    this.#questions.push(question);
    return question.answered;
  }

  async serve(given) {
    // Errors end the connection, and with it the lines.
    this.#connection.on("error", () => {});
    const lines = createInterface({ input: this.#connection, crlfDelay: Infinity });
    this.say({ type: "ready", protocol: 1 });
    for await (const line of lines) {
      const message = JSON.parse(line);
      if (message.type === "stop") break;
      this.#hear(given, message);
    }
    this.#current?.context.cancel();
    this.#gone = true;
    this.#questions[0]?.reject?.(new ResourceUnavailable("the worker is gone"));
    await this.#jobs;
    // The worker need not close its side first.
    this.#connection.end(() => this.#connection.destroy());
  }

  #hear(given, message) {
    if (message.type === "start") {
      this.#jobs = this.#jobs.then(() => this.#work(given, message));
    } else if (message.type === "cancel") {
      if (this.#current?.id === message.id) this.#current.context.cancel();
      else this.#cancelled.add(message.id);
    } else if (["file", "step", "recorded"].includes(message.type)) {
      this.#question(message.id)?.resolve(message);
    } else if (message.type === "refused") {
      const Refused = KINDS.find((known) => known.failureClass === message.class) ?? Unknown;
      this.#question(message.id)?.reject(new Refused(message.message ?? "refused"));
    }
  }

  /** An answer for a job before this one is nobody's. */
  #question(id) {
    const [first] = this.#questions;
    return first?.resolve && first.id === id ? first : undefined;
  }

  async #work(given, job) {
    const context = new Context(job, this);
    this.#current = { id: job.id, context };
    if (this.#cancelled.delete(job.id)) context.cancel();
    try {
      const output = valueOf(await handlerFor(given, context.stage)(job.input, context));
      this.say({ type: "result", id: job.id, output });
    } catch (error) {
      const failure = failureOf(error);
      if (failure !== error) console.error(error);
      this.say({ type: "failure", id: job.id, ...saidOf(failure), detail: detailOf(failure.detail) });
    }
    this.#current = undefined;
  }
}
