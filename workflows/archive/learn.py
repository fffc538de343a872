"""MODEL TEXT...: writes in how many of the texts each word is."""

import collections
import json
import sys

from words import read, words


def main(into, *texts):
    found = collections.Counter()
    for text in texts:
        found.update(set(words(read(text))))
    with open(into, "w", encoding="utf-8") as file:
        json.dump({"documents": len(texts), "words": found}, file, sort_keys=True)
    json.dump({"documents": len(texts), "words": len(found)}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
