"""A warm program that does what its input says, well or badly."""
import json, os, signal, socket, subprocess, sys, time

served, seen = 0, []


def main():
    late = os.environ.get("LATE")
    if late and not os.path.exists(late):
        time.sleep(60)
    if os.environ.get("REFUSES"):
        print("no model here", file=sys.stderr)
        sys.exit(69)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ["PITON_WARM"])
    lines = connection.makefile("rw", encoding="utf-8", newline="\n")

    def say(**message):
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    say(type="log", message="loaded")
    time.sleep(float(os.environ.get("LOADS", "0")))
    say(type="ready", protocol=1)
    for line in lines:
        message = json.loads(line)
        if message["type"] == "stop":
            note("stopped")
            return
        if message["type"] == "start":
            serve(connection, lines, say, message)
        elif message["type"] == "cancel":
            note("cancelled")


def note(word):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"{word} {os.getpid()}\n")


def serve(connection, lines, say, job):
    global served
    served += 1
    id, input = job["id"], job["input"]
    do = input["input"].get("do") or input.get("item", {}).get("do")
    seen.append(input.get("item"))

    def result(output=None):
        say(type="result", id=id, output=output)

    def well():
        result({"pid": os.getpid(), "served": served, "item": input.get("item"), "attempt": job["attempt"]})

    print("noise that is no answer", flush=True)
    print("on the way", file=sys.stderr, flush=True)
    if do is None or do == "print":
        sys.stdout.write("{\"type\":\"result\"}\n" * 1000)
        sys.stdout.flush()
        well()
    elif do == "work":
        time.sleep(0.02)
        well()
    elif do == "twice":
        well()
        well()
    elif do == "other":
        say(type="result", id="0000000000000000", output="not mine")
    elif do == "never":
        time.sleep(600)
    elif do == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif do == "die_after":
        well()
        os._exit(3)
    elif do == "exit":
        os._exit(input["input"]["code"])
    elif do == "kill":
        os.kill(os.getpid(), input["input"]["signal"])
        time.sleep(60)
    elif do == "grow":
        hoard = bytearray(os.urandom(1 << 20)) * 300
        time.sleep(600)
        result(len(hoard))
    elif do == "shout":
        lines.write("loading model 50%\n")
        lines.flush()
        time.sleep(600)
    elif do == "greet":
        say(type="ready", protocol=1)
        time.sleep(600)
    elif do == "unknown":
        say(type="done", id=id)
        time.sleep(600)
    elif do == "long":
        result("x" * (16 << 20))
        time.sleep(600)
    elif do == "daemon":
        if os.fork() == 0:
            os.setsid()
            subprocess.Popen(["sleep", "1000"], start_new_session=True)
            os._exit(0)
        os.wait()
        result("done")
    elif do == "hang_up":
        connection.shutdown(socket.SHUT_RDWR)
        time.sleep(600)
    elif do == "fail":
        say(type="failure", id=id, **input["input"]["failure"])
    elif do == "wait":
        # Until it is cancelled.
        note("waits")
        message = json.loads(lines.readline())
        note(message["type"])
        say(type="failure", id=id, message="cancelled")
    elif do == "finish":
        finish = f"begin; select piton.finish('{job['token']}', '7'); commit"
        subprocess.run(["psql", "-XqAt", os.environ["TARGET"], "-c", finish], check=True, stdout=subprocess.DEVNULL)
        say(type="result", id=id)
    elif do == "nothing":
        say(type="result", id=id)
    elif do == "talk":
        talk(lines, say, job, result)
    else:
        say(type="failure", id=id, **{"class": "invalid_input"}, message=f"cannot do {do}")


def talk(lines, say, job, result):
    id = job["id"]

    def ask(**question):
        say(id=id, **question)
        return json.loads(lines.readline())

    say(type="progress", id=id, done=1, of=2, note="half")
    say(type="log", id=id, level="warn", message="the key is " + os.environ.get("API_KEY", ""))
    with open(job["artifacts"] + "/left.txt", "w") as file:
        file.write("left behind")
    with open(job["env"]["OUT"], "w") as file:
        file.write(open(job["env"]["TEXT"]).read().upper())
    path = os.environ["NOTES"] + ".txt"
    with open(path, "w") as file:
        file.write("kept at once")
    kept = ask(type="file", path=path, name="kept.txt", artifact_type="preview", content_type="text/plain")
    # Nothing that is shown beside a file or a step has a secret in it.
    key = os.environ.get("API_KEY", "")
    named = ask(type="file", path=path, name=f"of-{key}.txt", content_type=f"text/{key}")["file"]["name"]
    if not ask(type="step", name=f"sign in as {key}")["found"]:
        ask(type="record", name=f"sign in as {key}", value=1)
    refused = ask(type="file", path="relative.txt")
    step = ask(type="step", name="paid")
    if step["found"]:
        paid = step["value"]
    else:
        paid = {"attempt": job["attempt"]}
        assert ask(type="record", name="paid", value=paid)["type"] == "recorded"
    if job["attempt"] == 1:
        say(type="failure", id=id, message="once more")
        return
    result({
        "paid": paid,
        "kept": kept["file"]["name"],
        "named": named,
        "refused": [refused["type"], refused["class"]],
        "knows": sorted(key for key in job if key not in ("type", "tracestate")),
        "has": {"PITON_RUN" in os.environ, "OUT" in os.environ} == {False},
    })


main()
