#!/bin/sh
# Run a command under a name and print how long it took: timed.sh NAME COMMAND...
set -eu

name=$1
shift
echo "== $name"
started=$(date +%s)
status=0
"$@" || status=$?
echo "== $name: $(($(date +%s) - started)) s"
exit "$status"
