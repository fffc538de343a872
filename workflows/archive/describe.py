"""MODEL TEXT PAUSE: prints what a text is about: the words that set it apart, and its most telling sentences."""

import collections
import json
import math
import re
import sys
import time

from words import read, words

KEYWORDS = 6
SENTENCES = 2


class Model:
    """How much each word tells: the more, the fewer documents it is in."""

    def __init__(self, path):
        learned = json.loads(read(path))
        self.documents, self.found = learned["documents"], learned["words"]

    def weight(self, word):
        return math.log((1 + self.documents) / (1 + self.found.get(word, 0)))

    def describe(self, text):
        counts = collections.Counter(word for word in words(text) if len(word) > 3)
        weights = {word: count * self.weight(word) for word, count in counts.items()}
        keywords = sorted(weights, key=lambda word: (-weights[word], word))[:KEYWORDS]
        sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n", text) if len(words(s)) > 4]

        def told(sentence):
            said = words(sentence)
            return sum(weights.get(word, 0) for word in set(said)) / math.sqrt(len(said))

        best = sorted(range(len(sentences)), key=lambda at: (-told(sentences[at]), at))[:SENTENCES]
        return keywords, " ".join(sentences[at] for at in sorted(best))


def main(model, text, pause):
    model = Model(model)
    item = json.load(sys.stdin)["item"]
    time.sleep(float(pause))
    keywords, summary = model.describe(read(text))
    json.dump({"name": item["name"], "title": item["title"], "keywords": keywords, "summary": summary}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
