#!/bin/sh
# Prints a Python 3.9 to 3.13: the one given as the first argument, else the first on the PATH in the order below.
# Up to 3.11 there is TensorFlow Addons, whose samplers are faster.
version='import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 13))'
if [ -n "$1" ]; then
    candidates=$1
else
    candidates='python3.11 python3.10 python3.9 python3.13 python3.12 python3 python'
fi
for candidate in $candidates; do
    # Run it: a version manager's shim can be on the PATH without a Python behind it.
    "$candidate" -c "$version" >/dev/null 2>&1 || continue
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
    without_venv=${without_venv:-$candidate}
done
if [ -n "$without_venv" ]; then
    # Debian and Ubuntu have venv in a package of its own.
    package=$("$without_venv" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    echo "$without_venv cannot make environments: it lacks venv or ensurepip. Install them (e.g. apt install $package)," \
        "or name another Python 3.9 to 3.13: PYTHON=/path/to/python3.11 make ..." >&2
    exit 1
fi
echo "tf_scenes needs Python 3.9 to 3.13, and none of these is one: $candidates." \
    "Install one (e.g. apt install python3 python3-venv) or name it: PYTHON=/path/to/python3.11 make ..." >&2
exit 1
