# What the scripts share. Source it from the repository's root.

# Makes .venv where no virtual environment is active, and activates it.
use_environment() {
  if [ -z "${VIRTUAL_ENV:-}" ]; then
    local python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
      { echo "artgen needs Python 3.10 or newer; PYTHON=/path/to/python names one" >&2; exit 2; }
    [ -x .venv/bin/python ] || "$python" -m venv .venv ||
      { echo "no virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 2; }
    # shellcheck disable=SC1091
    . .venv/bin/activate
  fi
}

# install [EXTRA]: artgen and its dependencies in the tested versions, torch first so that nothing else chooses its build.
install() {
  export PIP_DISABLE_PIP_VERSION_CHECK=1
  python -m pip install --quiet --constraint scripts/constraints.txt torch
  python -m pip install --quiet --constraint scripts/constraints.txt --editable ".${1:+[$1]}"
}
