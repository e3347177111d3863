#!/bin/sh
# Print the first Python that can run Beamscope: $PYTHON if set, else the first fitting one on the PATH.
set -eu

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" && command -v "$PYTHON" && exit 0
    echo "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13: point PYTHON at one that is." >&2
    exit 1
fi

for candidate in python3.11 python3.12 python3.13 python3 python; do
    if command -v "$candidate" >/dev/null && fits "$candidate"; then
        command -v "$candidate"
        exit 0
    fi
done

echo "Beamscope needs Python 3.11, 3.12 or 3.13 and found none: install one (Debian 12: apt-get install -y python3 python3-venv) or set PYTHON to its path." >&2
exit 1
