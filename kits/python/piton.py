"""Stages of a Piton workflow in Python: one file, no dependency, Python 3.9 or later.

    import piton

    @piton.stage
    def count(input, context):
        context.progress(0, 1)
        return {"words": len(input["item"].split())}

    if __name__ == "__main__":
        piton.serve()

As a stage with `command = ["python3", "count.py"]` it does one job and ends. With `warm = {...}` beside it the same file is started
once and does one job after another. By hand it reads its input from standard input: `echo '{"item": "to be"}' | python3 count.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import os
import queue
import re
import shutil
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, Mapping, NoReturn, Optional, TypeVar, Union, cast

__version__ = "0.1.0"
__all__ = [
    "AuthFailure", "Cancelled", "Context", "Failure", "InvalidInput", "NetworkTimeout", "OutOfMemory", "RateLimited",
    "ResourceUnavailable", "Unknown", "of_status", "serve", "stage",
]

T = TypeVar("T")
Handler = Callable[..., Any]
#: Seconds, or a duration such as "30s".
RetryAfter = Union[int, float, str]


class Failure(Exception):
    """An attempt that did not finish. Its class decides whether, when and how often the job is tried again."""

    failure_class = "unknown"
    #: What a process ends with that does one job; Piton reads the class from its last line.
    exit_code = 70

    def __init__(self, message: str = "", *, retry_after: Optional[RetryAfter] = None, detail: Any = None) -> None:
        super().__init__(message)
        self.message = message or type(self).__name__
        self.retry_after = retry_after
        self.detail = detail


class NetworkTimeout(Failure):
    failure_class, exit_code = "network_timeout", 124


class RateLimited(Failure):
    failure_class, exit_code = "rate_limited", 75


class ResourceUnavailable(Failure):
    failure_class, exit_code = "resource_unavailable", 69


class OutOfMemory(Failure):
    failure_class, exit_code = "out_of_memory", 71


class InvalidInput(Failure):
    failure_class, exit_code = "invalid_input", 65


class AuthFailure(Failure):
    failure_class, exit_code = "auth_failure", 77


class Unknown(Failure):
    pass


class Cancelled(Failure):
    """Nobody wants the answer any more: the time is up, the run was cancelled, or the worker stops."""

    def __init__(self, message: str = "the job was cancelled", **more: Any) -> None:
        super().__init__(message, **more)


def of_status(status: int, message: str = "", retry_after: Optional[RetryAfter] = None) -> Failure:
    """The failure that the status of an HTTP answer stands for, as Piton's own requests see it."""
    kind: type[Failure]
    if status in (408, 504, 524):
        kind = NetworkTimeout
    elif status == 429 or status == 403 and retry_after is not None:
        kind = RateLimited
    elif status in (401, 403, 407):
        kind = AuthFailure
    elif status == 425 or 500 <= status < 600 or retry_after is not None:
        kind = ResourceUnavailable
    else:
        kind = InvalidInput
    return kind(message or f"the server answered {status}", retry_after=retry_after)


def _failure(error: BaseException) -> Failure:
    """What an exception of a handler is for Piton."""
    if isinstance(error, Failure):
        return error
    said = f"{type(error).__name__}: {error}"
    # urllib's own, and what requests and httpx raise.
    response = getattr(error, "response", error)
    status = getattr(response, "status_code", None) or getattr(response, "code", None)
    headers: Any = getattr(response, "headers", None)
    if isinstance(status, int) and 400 <= status < 600 and hasattr(headers, "get"):
        after = str(headers.get("Retry-After"))
        # A date is left to the rules of the stage.
        return of_status(status, said, float(after) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", after) else None)
    kind: type[Failure] = Unknown
    if isinstance(error, MemoryError):
        kind = OutOfMemory
    elif isinstance(error, (TimeoutError, socket.timeout, asyncio.TimeoutError)) or "Timeout" in type(error).__name__:
        kind = NetworkTimeout
    elif isinstance(error, ConnectionError):
        kind = ResourceUnavailable
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return kind(said, detail={"traceback": trace[-4096:]})


class Context:
    """What a job knows of itself, and what it can say while it works."""

    def __init__(self, about: Mapping[str, Any], channel: Optional[_Warm] = None) -> None:
        self.run: str = about.get("run", "")
        self.workflow: str = about.get("workflow", "")
        self.stage: str = about.get("stage", "")
        #: Number of the item of a fan-out, from 0.
        self.item: Optional[int] = about.get("item")
        #: Which try it is, from 1.
        self.attempt: int = about.get("attempt", 1)
        #: Which round it is, from 1, of a stage that is done again until it is good enough.
        self.round: Optional[int] = about.get("round")
        self.worker: str = about.get("worker", "")
        #: The same for every attempt of a job: pass it to services that know such keys.
        self.idempotency_key: str = about.get("idempotency_key", "")
        self.traceparent: Optional[str] = about.get("traceparent")
        self.tracestate: Optional[str] = about.get("tracestate")
        #: What `piton.finish` in SQL takes; only with `finish = true`. A secret.
        self.token: Optional[str] = about.get("token")
        #: Seconds that the job may take, where they are known.
        self.timeout: Optional[float] = about.get("timeout")
        #: Folder with the files that the stage names, where it names some.
        self.inputs: Optional[Path] = Path(about["inputs"]) if about.get("inputs") else None
        #: Folder whose files are kept when the job succeeds.
        self.artifacts: Optional[Path] = Path(about["artifacts"]) if about.get("artifacts") else None
        #: The environment, with what the stage's `env` says of this job.
        self.env: Dict[str, str] = {**os.environ, **about.get("env", {})}
        self._id: Optional[str] = about.get("id")
        self._channel = channel
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the answer any more: end soon, whatever it is."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises `Cancelled` if nobody wants the answer any more: for loops that take long."""
        if self.cancelled:
            raise Cancelled()

    def progress(self, done: int, of: Optional[int] = None, note: Optional[str] = None) -> None:
        """How far the job is, which is shown to people. Without `of`, a process that does one job only has nobody to tell."""
        if self._channel is not None:
            self._tell("progress", done=done, of=of, note=note)
        elif of is not None and self.env.get("PITON_PROGRESS"):
            with open(self.env["PITON_PROGRESS"], "a", encoding="utf-8") as file:
                file.write(json.dumps({"done": done, "of": of, "note": note or ""}) + "\n")

    def log(self, message: str, level: str = "info") -> None:
        """A line for the worker's log, or on standard error: `debug`, `info`, `warn` or `error`."""
        if self._channel is None:
            print(f"{level}: {message}", file=sys.stderr, flush=True)
        else:
            self._tell("log", level=level, message=_cut(str(message), _DETAIL))

    def put(self, name: str, data: Union[bytes, str]) -> Path:
        """Writes a file that is kept under that name when the job succeeds."""
        path = self._place(name)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def file(self, path: Union[str, Path], name: Optional[str] = None, *, artifact_type: Optional[str] = None,
             content_type: Optional[str] = None) -> Dict[str, Any]:
        """Keeps a file that is there. Warm, it is stored now, and what comes back can be part of the output; otherwise it is copied
        to where Piton finds it at the end, and lists it in the output under `files`."""
        path = Path(path).absolute()
        name = name or path.name
        if self._channel is not None:
            asked = {"path": str(path), "name": name, "artifact_type": artifact_type, "content_type": content_type}
            file: Dict[str, Any] = self._channel.ask("file", self._id, **asked)["file"]
            return file
        place = self._place(name)
        if place != path:
            shutil.copyfile(path, place)
        return {"name": name, "bytes": place.stat().st_size}

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Does something once for all attempts of the job: a later attempt gets what was recorded. Only warm programs have that; in a
        process that does one job only, it is done in every attempt."""
        if self._channel is None:
            return work()
        known = self._channel.ask("step", self._id, name=name)
        if known.get("found"):
            recorded: Any = known.get("value")
            return cast(T, recorded)
        value = work()
        self._channel.ask("record", self._id, name=name, value=_value(value))
        return value

    def _place(self, name: str) -> Path:
        if self.artifacts is None:
            raise Failure("there is no folder for files: PITON_ARTIFACTS is not set; set it to try this by hand")
        path = self.artifacts / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InvalidInput(f"a file is kept under a relative name, and not under {name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _tell(self, kind: str, **keys: Any) -> None:
        if self._channel is not None:
            self._channel.say(type=kind, id=self._id, **{key: value for key, value in keys.items() if value is not None})


_stages: Dict[str, Handler] = {}


def stage(named: Union[str, Handler, None] = None) -> Any:
    """Registers a function for the stage of its name, or of the name that is given: `@stage` or `@stage("split-audio")`. It takes the
    input, or the input and a `Context`, and may be `async`."""
    if callable(named):
        _stages[named.__name__] = named
        return named

    def register(handler: Handler) -> Handler:
        _stages[named if isinstance(named, str) else handler.__name__] = handler
        return handler

    return register


def serve(handler: Optional[Handler] = None, *, text: bool = False) -> None:
    """Does the work of this process: one job, or as a warm program one after another. Without a handler, that of the job's stage among
    those registered with `@stage`, or the only one. With `text`, a string is the output as it is (`output = "text"`)."""
    path = os.environ.get("PITON_WARM")
    if path:
        _Warm(path).serve(handler)
    else:
        _once(handler, text)


def _handler(given: Optional[Handler], name: str) -> Handler:
    if given is not None:
        return given
    found = _stages.get(name) or _stages.get(name.replace("-", "_"))
    if found is None and len(_stages) == 1:
        found = next(iter(_stages.values()))
    if found is None:
        known = ", ".join(sorted(_stages)) or "none"
        raise InvalidInput(f"this program has no stage {name!r}; it has {known}. Name it in PITON_STAGE to try it by hand")
    return found


def _call(handler: Handler, input: Any, context: Context) -> Any:
    parameters = [p for p in inspect.signature(handler).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    takes_context = len(parameters) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    output = handler(input, context) if takes_context else handler(input) if parameters else handler()
    if inspect.isawaitable(output):

        async def waited() -> Any:
            return await output

        output = asyncio.run(waited())
    return _value(output)


def _value(output: Any) -> Any:
    try:
        json.dumps(output, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the output is no JSON: {error}") from error
    return output


def _once(given: Optional[Handler], text: bool) -> None:
    env = os.environ
    about: Dict[str, Any] = {
        "run": env.get("PITON_RUN", ""), "workflow": env.get("PITON_WORKFLOW", ""), "stage": env.get("PITON_STAGE", ""),
        "item": int(env["PITON_ITEM"]) if env.get("PITON_ITEM") else None, "attempt": int(env.get("PITON_ATTEMPT") or 1),
        "round": int(env["PITON_ROUND"]) if env.get("PITON_ROUND") else None,
        "worker": env.get("PITON_WORKER", ""), "idempotency_key": env.get("PITON_IDEMPOTENCY_KEY", ""),
        "traceparent": env.get("TRACEPARENT"), "tracestate": env.get("TRACESTATE"), "token": env.get("PITON_ATTEMPT_TOKEN"),
        "inputs": env.get("PITON_INPUTS"), "artifacts": env.get("PITON_ARTIFACTS"),
    }
    context = Context(about)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: context._cancelled.set())
    try:
        output = _call(_handler(given, context.stage), _input(sys.stdin.buffer), context)
        if text and not isinstance(output, str):
            raise InvalidInput(f"the output is to be a text, and is {type(output).__name__}")
        said = (output if text else json.dumps(output)).encode()
    except Exception as error:
        _fail(error)
    # Whatever libraries print, it is no part of the output.
    place = env.get("PITON_OUTPUT")
    if place:
        Path(place).write_bytes(said)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(said + b"\n")
        sys.stdout.buffer.flush()


def _input(stream: IO[bytes]) -> Any:
    text = b"" if stream.isatty() else stream.read()
    try:
        return json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidInput(f"the input is no JSON: {error}") from error


#: Characters of a message and of a detail: what is longer is cut, for Piton reads no line without an end, and a class that it
#: does not get to read decides nothing.
_MESSAGE, _DETAIL = 4000, 60_000


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _said(failure: Failure) -> Dict[str, Any]:
    """What Piton hears of a failure, which is JSON whatever the handler put into it."""
    said: Dict[str, Any] = {"class": failure.failure_class, "message": _cut(str(failure.message), _MESSAGE)}
    after = failure.retry_after
    # Not a number is no time.
    if isinstance(after, str) or isinstance(after, (int, float)) and math.isfinite(after):
        said["retry_after"] = after
    return said


def _detail(detail: Any) -> Any:
    try:
        text = json.dumps(detail, default=str, allow_nan=False)
    except (TypeError, ValueError):
        return _cut(repr(detail), _DETAIL)
    return json.loads(text) if len(text) <= _DETAIL else _cut(text, _DETAIL)


def _fail(error: BaseException) -> NoReturn:
    failure = _failure(error)
    if not isinstance(error, Failure):
        traceback.print_exception(type(error), error, error.__traceback__)
    sys.stdout.flush()
    # The last line of standard error is what Piton reads.
    print("\n" + json.dumps(_said(failure)), file=sys.stderr, flush=True)
    sys.exit(failure.exit_code)


class _Warm:
    """The connection of a warm program to its worker: lines of JSON in both directions."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")
        self._writing = threading.Lock()
        self._jobs: queue.Queue[Optional[Dict[str, Any]]] = queue.Queue()
        self._answers: queue.Queue[Dict[str, Any]] = queue.Queue()
        self._current: Optional[Context] = None
        #: Jobs that were cancelled before they began.
        self._cancelled: List[str] = []
        self._state = threading.Lock()

    def say(self, **message: Any) -> None:
        line = json.dumps(message, allow_nan=False) + "\n"
        with self._writing:
            self._socket.sendall(line.encode())

    def ask(self, kind: str, id: Optional[str], **keys: Any) -> Dict[str, Any]:
        self.say(type=kind, id=id, **{key: value for key, value in keys.items() if value is not None or key == "value"})
        while True:
            answer = self._answers.get()
            if answer.get("type") == "gone":
                raise ResourceUnavailable("the worker is gone")
            # One of a job before this is nobody's.
            if answer.get("id") == id:
                break
        if answer["type"] == "refused":
            kinds: List[type[Failure]] = [NetworkTimeout, RateLimited, ResourceUnavailable, OutOfMemory, InvalidInput, AuthFailure]
            refused = {kind.failure_class: kind for kind in kinds}.get(answer.get("class", ""), Unknown)
            raise refused(answer.get("message", "refused"))
        return answer

    def serve(self, given: Optional[Handler]) -> None:
        # The worker says it when a process is to stop.
        threading.Thread(target=self._listen, daemon=True).start()
        self.say(type="ready", protocol=1)
        while True:
            job = self._jobs.get()
            if job is None:
                return
            self._work(given, job)

    def _work(self, given: Optional[Handler], job: Dict[str, Any]) -> None:
        context = Context(job, self)
        with self._state:
            self._current = context
            if job["id"] in self._cancelled:
                context._cancelled.set()
            self._cancelled.clear()
        try:
            answer = {"type": "result", "output": _call(_handler(given, context.stage), job.get("input"), context)}
        except (Exception, SystemExit) as error:
            failure = _failure(error)
            if not isinstance(error, Failure):
                traceback.print_exception(type(error), error, error.__traceback__)
            answer = {"type": "failure", **_said(failure)}
            if failure.detail is not None:
                answer["detail"] = _detail(failure.detail)
        with self._state:
            self._current = None
        self.say(id=job["id"], **answer)

    def _listen(self) -> None:
        try:
            for line in self._lines:
                message = json.loads(line)
                kind = message.get("type")
                if kind == "start":
                    self._jobs.put(message)
                elif kind == "cancel":
                    self._cancel(message.get("id"))
                elif kind in ("file", "step", "recorded", "refused"):
                    self._answers.put(message)
                elif kind == "stop":
                    break
        except (OSError, ValueError):
            pass
        with self._state:
            if self._current is not None:
                self._current._cancelled.set()
        self._answers.put({"type": "gone"})
        self._jobs.put(None)

    def _cancel(self, id: Any) -> None:
        with self._state:
            if self._current is not None and self._current._id == id:
                self._current._cancelled.set()
            else:
                self._cancelled.append(id)
