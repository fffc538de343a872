#!/bin/sh
# Words, sentences and letters of one text, as JSON.
set -eu
text="$1/$2"
name=$(printf '%s' "$2" | sed 's/\\/\\\\/g; s/"/\\"/g')
words=$(wc -w < "$text")
sentences=$(tr -c -d '.!?' < "$text" | wc -c)
letters=$(tr -c -d '[:alnum:]' < "$text" | wc -c)
printf '{"file": "%s", "words": %d, "sentences": %d, "letters": %d}\n' "$name" "$words" "$sentences" "$letters"
