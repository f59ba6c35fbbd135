#!/bin/sh
# Judges the server at a URL: judge.sh URL [OPTION of `acceptance run`]... The exit code is that of the suite: 0 is GO.
# SUITE: its wheel, or its repository as pip takes one.
set -eu
[ $# -ge 1 ] || { echo "usage: judge.sh URL [OPTION]..." >&2; exit 2; }
: "${SUITE:?set SUITE to the wheel or the repository of the suite}"
target=$1
shift
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/python" -m pip install --quiet "$SUITE" uv==0.13.9  # uv installs Aider
# For index.html; all other reports are written without it.
"$environment/bin/acceptance" get allure || true
"$environment/bin/acceptance" run --target "$target" --ci "$@"
