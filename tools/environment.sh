# Sourced by the other scripts.  Makes the project's own virtual environment unless there is one,
# adds what a script needs to it, and activates it.  Installs again when setup.py has changed, or when the
# environment or the project was moved or copied.
#
#   KDCL_EXTRAS  what the script needs beside the plain package: extras of setup.py, separated by commas
#   KDCL_VENV    the folder of the environment (.venv)
#   PYTHON       the interpreter that makes it (python3); of another version than one that is there, it
#                is refused

KDCL_VENV="${KDCL_VENV:-.venv}"
kdcl_python="${PYTHON:-}"
PYTHON="${PYTHON:-python3}"

kdcl_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null || true; }

kdcl_check_python() {
  if ! "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'; then
    echo "expected Python 3.10 to 3.13; got $("$PYTHON" --version 2>&1): set PYTHON to another one" >&2
    return 1
  fi
}

kdcl_made="$(kdcl_version "$KDCL_VENV/bin/python")"
if [ -z "$kdcl_made" ]; then
  kdcl_check_python || exit 1
elif [ -n "$kdcl_python" ] && [ "$(kdcl_version "$PYTHON")" != "$kdcl_made" ]; then
  echo "expected PYTHON to be the $kdcl_made that made $KDCL_VENV; got $("$PYTHON" --version 2>&1):" \
    "remove $KDCL_VENV, or set KDCL_VENV to another folder" >&2
  exit 1
fi

# What was installed: what setup.py was, which extras are there, and where the environment and the
# project were. The programs of a copied clone would else run the code of the clone it was copied from.
kdcl_place="$(realpath -m "$KDCL_VENV")"
kdcl_here="$(pwd -P)"
kdcl_sum= kdcl_extras= kdcl_before= kdcl_project=
if [ -f "$KDCL_VENV/.installed" ]; then
  { read -r kdcl_sum && read -r kdcl_extras && read -r kdcl_before && read -r kdcl_project; } \
    < "$KDCL_VENV/.installed" || true
fi
kdcl_wanted="$(tr ',' '\n' <<< "$kdcl_extras,${KDCL_EXTRAS:-}" | sed '/^$/d' | sort -u | paste -sd, -)"
# Copied or moved: its programs name the Python of the other place. Its script says where it was made.
kdcl_moved=
if [ -n "$kdcl_before" ] && [ "$kdcl_before" != "$kdcl_place" ]; then
  kdcl_moved=yes
elif grep -q VIRTUAL_ENV= "$KDCL_VENV/bin/activate" 2> /dev/null &&
  ! grep -qF -e "$kdcl_place" -e "$(realpath -ms "$KDCL_VENV")" "$KDCL_VENV/bin/activate"; then
  kdcl_moved=yes
fi
if [ -n "$kdcl_moved" ] || [ "$kdcl_sum" != "$(cksum < setup.py)" ] || [ "$kdcl_extras" != "$kdcl_wanted" ] ||
  [ "$kdcl_project" != "$kdcl_here" ]; then
  echo "Installing into $KDCL_VENV (only once; takes about a minute)"
  if [ -n "$kdcl_moved" ]; then
    echo "$KDCL_VENV was made at another place; it is made anew, with the extras of kdcl_tf that it had, and" \
      "without what else was added to it"
    kdcl_check_python || exit 1
    rm -r "$kdcl_place"
  fi
  # Without Debian's python3-venv, the first try leaves a Python that has no pip.
  "$KDCL_VENV/bin/python" -m pip --version > /dev/null 2>&1 || "$PYTHON" -m venv "$KDCL_VENV"
  # Python compiles what is imported, which is a small part of what is installed, unless it is told
  # to keep nothing: then every process would compile again.
  kdcl_compile=--no-compile
  [ -z "${PYTHONDONTWRITEBYTECODE:-}" ] || kdcl_compile=--compile
  "$KDCL_VENV/bin/python" -m pip install --quiet "$kdcl_compile" --editable ".${kdcl_wanted:+[$kdcl_wanted]}"
  printf '%s\n' "$(cksum < setup.py)" "$kdcl_wanted" "$kdcl_place" "$kdcl_here" > "$KDCL_VENV/.installed"
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
