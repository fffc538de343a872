/** Stages of a Piton workflow in Node. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Seconds, or a duration such as "30s". */
export type RetryAfter = number | string;

export interface FailureOptions {
  retryAfter?: RetryAfter;
  /** Kept with the attempt. */
  detail?: unknown;
  cause?: unknown;
}

/** An attempt that did not finish. Its class decides whether, when and how often the job is tried again. */
export class Failure extends Error {
  constructor(message: string, options?: FailureOptions);
  readonly failureClass: string;
  retryAfter?: RetryAfter;
  detail?: unknown;
}
export class NetworkTimeout extends Failure {}
export class RateLimited extends Failure {}
export class ResourceUnavailable extends Failure {}
export class OutOfMemory extends Failure {}
export class InvalidInput extends Failure {}
export class AuthFailure extends Failure {}
export class Unknown extends Failure {}
/** Nobody wants the answer any more. */
export class Cancelled extends Failure {}

/** The failure that the status of an HTTP answer stands for. */
export function ofStatus(status: number, message?: string, retryAfter?: RetryAfter): Failure;

/** A file that is kept. */
export interface StoredFile {
  /** Only of a warm program. */
  artifact?: string;
  name: string;
  bytes: number;
  digest?: string;
}

/** What a job knows of itself, and what it can say while it works. */
export interface Context {
  readonly run: string;
  readonly workflow: string;
  readonly stage: string;
  /** Number of the item of a fan-out, from 0. */
  readonly item?: number;
  /** Which try it is, from 1. */
  readonly attempt: number;
  /** Which round it is, from 1, of a stage that is done again until it is good enough. */
  readonly round?: number;
  readonly worker: string;
  /** The same for every attempt of a job. */
  readonly idempotencyKey: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** What `piton.finish` in SQL takes; a secret. */
  readonly token?: string;
  /** Seconds that the job may take, where they are known. */
  readonly timeout?: number;
  /** Folder with the files that the stage names. */
  readonly inputs?: string;
  /** Folder whose files are kept when the job succeeds. */
  readonly artifacts?: string;
  /** The environment, with what the stage's `env` says of this job. */
  readonly env: Record<string, string | undefined>;
  /** Whether nobody wants the answer any more: end soon. */
  readonly cancelled: boolean;
  readonly signal: AbortSignal;
  /** How far the job is; only of a warm program. */
  progress(done: number, of?: number, note?: string): void;
  log(message: string, level?: "debug" | "info" | "warn" | "error"): void;
  /** Writes a file that is kept when the job succeeds; returns its path. */
  put(name: string, data: string | Uint8Array): string;
  /** Keeps a file that is there: now in a warm program, otherwise when the job succeeds. */
  file(path: string, options?: { name?: string; artifactType?: string; contentType?: string }): Promise<StoredFile>;
  /** Does something once for all attempts of the job; in a program that is not warm, in every attempt. */
  step<T>(name: string, work: () => T | Promise<T>): Promise<T>;
}

export type Handler<Input = any> = (input: Input, context: Context) => unknown;

/** Registers a function for the stage of that name. */
export function stage<H extends Handler>(name: string, handler: H): H;

/** Does the work of this process: one job, or as a warm program one after another. */
export function serve(handler?: Handler, options?: { text?: boolean }): Promise<void>;
