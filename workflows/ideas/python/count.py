"""Counts letters: a stage in Python, as a function. Try it by hand:

    echo '{"item": "owl"}' | PYTHONPATH=kits/python python3 workflows/ideas/python/count.py
"""

import piton


@piton.stage
def count(input, context):
    word = input["item"]
    if not word.isalpha():
        raise piton.InvalidInput(f"{word!r} is no word")
    print("what it prints is no part of its output")
    return {"word": word, "letters": len(word), "attempt": context.attempt}


if __name__ == "__main__":
    piton.serve()
