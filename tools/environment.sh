# Sourced by the other scripts.  Makes the project's own virtual environment unless there is one,
# and activates it.  Makes it again when setup.py has changed.
#
#   KDCL_VENV    the folder of the environment (.venv)
#   PYTHON       the interpreter that makes it (python3)

KDCL_VENV="${KDCL_VENV:-.venv}"
PYTHON="${PYTHON:-python3}"

if ! "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'; then
  echo "expected Python 3.10 to 3.13; got $("$PYTHON" --version 2>&1): set PYTHON to another one" >&2
  exit 1
fi

kdcl_sum="$(cksum < setup.py)"
if [ "$(cat "$KDCL_VENV/.installed" 2>/dev/null)" != "$kdcl_sum" ]; then
  echo "Installing into $KDCL_VENV (only once; takes about a minute)"
  "$PYTHON" -m venv "$KDCL_VENV"
  "$KDCL_VENV/bin/python" -m pip install --quiet --editable '.[test,export]'
  echo "$kdcl_sum" > "$KDCL_VENV/.installed"
fi
. "$KDCL_VENV/bin/activate"
