#!/bin/sh
# The report, from the ratings on standard input: {"input": …, "rate": [{"file": …, "words": …, "grade": …}, …]}
set -eu
echo '| text | words | grade |'
echo '|---|--:|--:|'
# One object per line; then what is wanted of each.
sed 's/},{/}\n{/g' | sed -n 's/.*"file":"\([^"]*\)".*"grade":\([0-9.-]*\).*"words":\([0-9]*\).*/| \1 | \3 | \2 |/p' | sort
