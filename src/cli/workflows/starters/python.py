"""The stages of the workflow NAME.

Each gets its input as one JSON object on standard input: "input" (what the run was started with), the outputs of the stages that
it needs by their names, and "item". What it prints is its output. Try one with its recorded input:  piton try RUN 'count[0]'
"""

import json
import sys


class Failure(Exception):
    """Ends the attempt with a failure class, which decides whether and when it is tried again."""

    def __init__(self, failure_class, message, retry_after=None):
        super().__init__(message)
        self.failure_class, self.retry_after = failure_class, retry_after


def pages(given):
    return given["input"].get("pages", ["It was a dark and stormy night", "The rain fell in torrents"])


def count(given):
    words = given["item"].split()
    if not words:
        raise Failure("invalid_input", "the page is empty")  # not retried
    # Raise Failure("rate_limited", "too fast", "30s") to be tried again after that long.
    return len(words)


def report(given):
    return {"pages": len(given["count"]), "words": sum(given["count"])}


STAGES = {"pages": pages, "count": count, "report": report}

if __name__ == "__main__":
    try:
        print(json.dumps(STAGES[sys.argv[1]](json.load(sys.stdin))))
    except Failure as failure:
        told = {"class": failure.failure_class, "message": str(failure)}
        if failure.retry_after:
            told["retry_after"] = failure.retry_after
        # The last line on standard error says what became of it. Any other exception is a failure of the class `unknown`.
        sys.exit(json.dumps(told))
