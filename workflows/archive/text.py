"""DOCUMENT TEXT PAUSE: writes the plain text of a document, and prints its name, its title and its number of words.

A document that cannot be read is invalid input (exit code 65): no retry would help, and its run waits for somebody to decide.
"""

import csv
import email
import email.policy
import html.parser
import json
import os
import sys
import time
import xml.etree.ElementTree
import zipfile

from words import words


class Html(html.parser.HTMLParser):
    """The text of a page, without scripts and styles."""

    SILENT = {"script", "style", "template"}
    BLOCKS = {"p", "div", "li", "tr", "br", "h1", "h2", "h3", "h4", "section", "article", "title"}

    def __init__(self):
        super().__init__()
        self.parts, self.title, self.within = [], "", []

    def handle_starttag(self, tag, attrs):
        if tag in self.BLOCKS:
            self.parts.append("\n")
        if tag in self.SILENT or tag == "title":
            self.within.append(tag)

    def handle_endtag(self, tag):
        if self.within and self.within[-1] == tag:
            self.within.pop()

    def handle_data(self, data):
        if self.within and self.within[-1] == "title":
            self.title += data
        elif not self.within:
            self.parts.append(data)


def of_html(text):
    page = Html()
    page.feed(text)
    return page.title.strip(), "".join(page.parts)


def of_mail(path):
    with open(path, "rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    body = message.get_body(preferencelist=("plain", "html"))
    text = body.get_content() if body else ""
    if body and body.get_content_type() == "text/html":
        _, text = of_html(text)
    return message.get("subject", ""), text


def of_zipped_xml(path, members):
    """Documents of word processors and electronic books are XML in a ZIP archive."""
    parts = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(members):
                tree = xml.etree.ElementTree.fromstring(archive.read(name))
                # A paragraph is a line.
                for node in tree.iter():
                    if node.tag.rsplit("}", 1)[-1] in ("p", "h"):
                        parts.append("".join(node.itertext()))
    return "", "\n".join(parts)


def of_table(text):
    return "", "\n".join(", ".join(row) for row in csv.reader(text.splitlines()))


def read(path):
    kind = os.path.splitext(path)[1].lower()
    if kind == ".eml":
        return of_mail(path)
    if kind == ".docx":
        return of_zipped_xml(path, "word/document.xml")
    if kind == ".odt":
        return of_zipped_xml(path, "content.xml")
    if kind == ".epub":
        return of_zipped_xml(path, (".xhtml", ".html"))
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if kind in (".html", ".htm"):
        return of_html(text)
    return of_table(text) if kind == ".csv" else ("", text)


def title_of(title, text, name):
    """What the document says, its first line, or the name of its file."""
    lines = (line.strip(" \t#*=") for line in [title, *text.splitlines()])
    return next((line[:120] for line in lines if line), name)


def main(document, into, pause):
    name = json.load(sys.stdin)["item"]["name"]
    try:
        title, text = read(document)
    except (UnicodeDecodeError, ValueError, zipfile.BadZipFile, xml.etree.ElementTree.ParseError, KeyError) as error:
        print(f"{name} cannot be read as what its name says: {error}", file=sys.stderr)
        return 65
    time.sleep(float(pause))
    lines = (" ".join(line.split()) for line in text.splitlines())
    text = "\n".join(line for line in lines if line)
    with open(into, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    json.dump({"name": name, "title": title_of(title, text, name), "words": len(words(text))}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
