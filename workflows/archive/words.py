"""What the stages of the archive have in common."""

import re

# Letters of any script, with an apostrophe or a hyphen between them.
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def words(text):
    return [word.lower() for word in WORD.findall(text)]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
