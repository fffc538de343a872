import os
import time
from pathlib import Path

import piton

print("libraries print while they load")


@piton.stage
def count(input, context):
    print("and while they work")
    item = input["item"]
    if item == "slow at first" and context.attempt == 1:
        raise piton.RateLimited("slow down", retry_after=0.25)
    if item == "invalid":
        raise piton.InvalidInput("no such word")
    if item == "boom":
        raise RuntimeError("boom")
    if item == "late":
        raise TimeoutError("too late")
    if item == "status":
        raise piton.of_status(401)
    if item == "no json":
        return {"bytes": b"x"}
    if item == "quota":
        raise piton.RateLimited("used up", retry_after="30s", detail={"left": 0})
    if item == "verbose":
        raise piton.RateLimited("m" * 3_000_000, retry_after="30s", detail={"all": "d" * 3_000_000})
    if item == "odd":
        raise piton.RateLimited("used up", retry_after=float("nan"), detail={"left": float("inf")})
    if item == "tell":
        context.progress(1, 2, "half")
        context.log("halfway", "warn")
    if item == "step":
        return {"paid": context.step("paid", lambda: 41)}
    if item == "wait":
        context.log("waiting")
        while True:
            context.check()
            time.sleep(0.01)
    if item == "file":
        context.put("notes/put.txt", "kept")
        source = Path(str(context.artifacts) + ".source")
        source.write_text("copy")
        return {"file": context.file(source, "copied.txt")}
    return {"words": len(item.split()), "item": context.item, "attempt": context.attempt, "key": context.idempotency_key,
            "run": context.run}


@piton.stage("shout")
async def loud(input):
    return f"COUNT, {len(input['count'])} of them: naïve"


if __name__ == "__main__":
    piton.serve(text="AS_TEXT" in os.environ)
