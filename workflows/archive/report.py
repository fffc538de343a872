"""TITLE PAGE TEXT...: writes a page that lists the documents, and finds them by their words without any server."""

import collections
import html
import json
import os
import sys

from words import read, words

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.html")


def entry(number, about, text):
    said = html.escape
    keywords = "".join(f"<li>{said(word)}</li>" for word in about["keywords"])
    return (
        f'<article id="d{number}"><h2>{said(about["title"])}</h2><p class="name">{said(about["name"])}</p>'
        f'<p>{said(about["summary"])}</p><ul>{keywords}</ul>'
        f"<details><summary>The whole text</summary><pre>{said(text)}</pre></details></article>"
    )


def main(title, page, *paths):
    described = json.load(sys.stdin)["describe"]
    texts = [read(path) for path in paths]
    index = collections.defaultdict(dict)
    for number, text in enumerate(texts):
        for word, count in collections.Counter(words(text)).items():
            index[word][number] = count
    entries = "\n".join(entry(number, *of) for number, of in enumerate(zip(described, texts)))
    # In a script, nothing may look like its end.
    listed = json.dumps(index, ensure_ascii=False, sort_keys=True, separators=(",", ":")).replace("<", "\\u003c")
    filled = {"TITLE": html.escape(title), "ENTRIES": entries, "COUNT": str(len(texts)), "INDEX": listed}
    parts = read(PAGE).split("@@")
    with open(page, "w", encoding="utf-8") as file:
        file.write("".join(filled[part] if at % 2 else part for at, part in enumerate(parts)))
    json.dump({"documents": len(texts), "words": len(index)}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
