#!/bin/sh
# The names of the texts in a folder, as JSON.
set -eu
if ! [ -d "$1" ]; then
    # The last line of standard error names the class of the failure; without it, the exit code does.
    printf '{"class": "invalid_input", "message": "there is no folder %s"}\n' "$1" >&2
    exit 66
fi
cd "$1"
names=$(for file in *.txt; do
    [ -f "$file" ] && printf '%s\n' "$file" | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&"/'
done | paste -s -d , -)
printf '{"files": [%s]}\n' "$names"
