#!/usr/bin/env bash
# Installs what the tests need, then lints, type-checks and runs the suite. Arguments go to pytest: ./scripts/test.sh -m slow
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

use_environment
install dev
echo "== ruff" && ruff check . && ruff format --check .
echo "== mypy" && mypy
# A process for each core, up to four, each with one thread: most of the time is the start of programs.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
echo "== pytest" && python -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
