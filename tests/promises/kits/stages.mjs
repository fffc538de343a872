import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { InvalidInput, RateLimited, ofStatus, serve, stage } from "./piton.mjs";

console.log("libraries print while they load");

stage("count", async (input, context) => {
  console.log("and while they work");
  const { item } = input;
  if (item === "slow at first" && context.attempt === 1) throw new RateLimited("slow down", { retryAfter: 0.25 });
  if (item === "invalid") throw new InvalidInput("no such word");
  if (item === "boom") throw new Error("boom");
  if (item === "late") throw new DOMException("too late", "TimeoutError");
  if (item === "status") throw ofStatus(401);
  if (item === "no json") return { big: 1n };
  if (item === "quota") throw new RateLimited("used up", { retryAfter: "30s", detail: { left: 0 } });
  if (item === "verbose") {
    throw new RateLimited("m".repeat(3_000_000), { retryAfter: "30s", detail: { all: "d".repeat(3_000_000) } });
  }
  if (item === "odd") throw new RateLimited("used up", { retryAfter: NaN, detail: { left: 1n } });
  if (item === "tell") {
    context.progress(1, 2, "half");
    context.log("halfway", "warn");
  }
  if (item === "step") return { paid: await context.step("paid", () => 41) };
  if (item === "wait") {
    context.log("waiting");
    for (;;) {
      context.signal.throwIfAborted();
      await sleep(10);
    }
  }
  if (item === "file") {
    context.put("notes/put.txt", "kept");
    const source = `${context.artifacts}.source`;
    fs.writeFileSync(source, "copy");
    return { file: await context.file(source, { name: "copied.txt" }) };
  }
  return {
    words: item.split(" ").length, item: context.item, attempt: context.attempt, key: context.idempotencyKey, run: context.run,
  };
});

stage("shout", (input) => `COUNT, ${input.count.length} of them: naïve`);

await serve(undefined, { text: "AS_TEXT" in process.env });
