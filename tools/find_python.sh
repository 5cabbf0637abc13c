#!/bin/sh
# Prints a Python 3.9 to 3.13: the one given as the first argument, else the first on the PATH in the order below.
# Up to 3.11 there is TensorFlow Addons, whose samplers are faster.
fits='import ensurepip, sys, venv; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'
if [ -n "$1" ]; then
    candidates=$1
else
    candidates='python3.11 python3.10 python3.9 python3.13 python3.12 python3 python'
fi
for candidate in $candidates; do
    # Run it: a version manager's shim can be on the PATH without a Python behind it.
    if "$candidate" -c "$fits" >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done
echo "tf_scenes needs Python 3.9 to 3.13, and none of these is one: $candidates." \
    "Install one (e.g. apt install python3.11 python3.11-venv) or name it: make PYTHON=/path/to/python3.11 ..." >&2
exit 1
