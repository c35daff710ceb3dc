# Sourced by the other scripts.  Makes the project's own virtual environment unless there is one,
# adds what a script needs to it, and activates it.  Does so again when setup.py has changed.
#
#   KDCL_EXTRAS  what the script needs beside the plain package: extras of setup.py, separated by commas
#   KDCL_VENV    the folder of the environment (.venv)
#   PYTHON       the interpreter that makes it (python3)

KDCL_VENV="${KDCL_VENV:-.venv}"
PYTHON="${PYTHON:-python3}"

if ! "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'; then
  echo "expected Python 3.10 to 3.13; got $("$PYTHON" --version 2>&1): set PYTHON to another one" >&2
  exit 1
fi

# The first line says what setup.py was, the second which extras are there.
kdcl_sum= kdcl_extras=
if [ -f "$KDCL_VENV/.installed" ]; then
  { read -r kdcl_sum && read -r kdcl_extras; } < "$KDCL_VENV/.installed" || true
fi
kdcl_wanted="$(tr ',' '\n' <<< "$kdcl_extras,${KDCL_EXTRAS:-}" | sed '/^$/d' | sort -u | paste -sd, -)"
if [ "$kdcl_sum" != "$(cksum < setup.py)" ] || [ "$kdcl_extras" != "$kdcl_wanted" ]; then
  echo "Installing into $KDCL_VENV (only once; takes about a minute)"
  # Without Debian's python3-venv, the first try leaves a Python that has no pip.
  "$KDCL_VENV/bin/python" -m pip --version > /dev/null 2>&1 || "$PYTHON" -m venv "$KDCL_VENV"
  # Python compiles what is imported, which is a small part of what is installed, unless it is told
  # to keep nothing: then every process would compile again.
  kdcl_compile=--no-compile
  [ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || kdcl_compile=--compile
  "$KDCL_VENV/bin/python" -m pip install --quiet "$kdcl_compile" --editable ".${kdcl_wanted:+[$kdcl_wanted]}"
  printf '%s\n' "$(cksum < setup.py)" "$kdcl_wanted" > "$KDCL_VENV/.installed"
fi
. "$KDCL_VENV/bin/activate"

# The path that an argument of a script means in the folder from which it was called; the script has
# gone from there to the project's.
of_caller() {
  case "$1" in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$OLDPWD/$1" ;;
  esac
}
