"""What a text is about: the words that set it apart, and its most telling sentences.

The model ($MODEL) is loaded once and serves one document ($TEXT) after another, for as long as the program is kept warm. Cold, and by
hand, it does one: piton try RUN 'describe[2]'
"""

import collections
import json
import math
import re
import time

import piton
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


# The model that is loaded, and the digest of its file: jobs of another run may come with another model.
loaded = (None, None)


@piton.stage
def describe(input, context):
    global loaded
    digest = next(file["digest"] for file in input["learn"]["files"] if file["name"] == "model.json")
    if loaded[0] != digest:
        context.progress(0, 2, "loading the model")
        loaded = (digest, Model(context.env["MODEL"]))
    context.progress(1, 2, "reading")
    time.sleep(float(context.env["PAUSE"]))
    keywords, summary = loaded[1].describe(read(context.env["TEXT"]))
    return {"name": input["item"]["name"], "title": input["item"]["title"], "keywords": keywords, "summary": summary}


if __name__ == "__main__":
    piton.serve()
