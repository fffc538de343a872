#!/bin/sh
# Makes the page of a folder of documents on two workers that share no folder, one of which is killed now and then:
#   export DATABASE_URL=postgres://… PITON_ARTIFACT_STORE=s3://bucket/path      # and AWS_ENDPOINT and the like
#   workflows/archive/two-workers.sh workflows/archive/samples [REPORT]
# PITON is the program, `piton` by default. Runs at the root of the repository.
set -eu
[ $# -ge 1 ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 64; }
: "${DATABASE_URL:?names the database of both workers}" "${PITON_ARTIFACT_STORE:?names the store of both workers, such as s3://bucket/path}"
piton=${PITON:-piton} documents=$1 report=${2:-report.html}
export PITON_WORKFLOWS=workflows/archive PITON_METRICS=127.0.0.1:0

folder=$(mktemp -d)
north= south=
trap 'kill $north $south 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
work() {
    mkdir -p "$folder/$1"
    TMPDIR=$folder/$1 exec "$piton" worker --name "$1" --slots 2 2>>"$folder/$1.log"
}
"$piton" migrate
work north & north=$!
work south & south=$!

run=$("$piton" start archive --file "$documents" --set "pause=${PAUSE:-0.5}")
echo "run $run"
state=running kills=0
while [ "$state" = running ]; do
    sleep 2
    # The one, and then the other.
    kills=$((kills + 1))
    if [ $((kills % 2)) = 1 ]; then
        kill -9 $north; work north & north=$!
    else
        kill -9 $south; work south & south=$!
    fi
    echo "killed $kills times so far"
    state=$("$piton" show "$run" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["state"])')
done
"$piton" show "$run"
"$piton" artifacts get "$run" report.html --to "$report"
