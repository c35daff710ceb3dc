# Sourced by the other scripts: makes the project's own virtual environment, once, and
# activates it.  It is made again when setup.py changes.
#
#   KDCL_VENV    where it lives (.venv)
#   PYTHON       the interpreter it is made from (python3)

KDCL_VENV="${KDCL_VENV:-.venv}"
PYTHON="${PYTHON:-python3}"

if ! "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'; then
  echo "kdcl_tf needs Python 3.10 to 3.13; got $("$PYTHON" --version 2>&1): set PYTHON=" >&2
  exit 1
fi

kdcl_wanted="$(cksum < setup.py)"
if [ "$(cat "$KDCL_VENV/.installed" 2>/dev/null)" != "$kdcl_wanted" ]; then
  echo "Installing into $KDCL_VENV (once; about a minute)"
  "$PYTHON" -m venv "$KDCL_VENV"
  "$KDCL_VENV/bin/python" -m pip install --quiet --editable '.[test]'
  echo "$kdcl_wanted" > "$KDCL_VENV/.installed"
fi
. "$KDCL_VENV/bin/activate"
