#!/usr/bin/env bash
# Installs what the tests need, then lints, type-checks and runs the suite. Arguments go to pytest: ./scripts/test.sh -m slow
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

use_environment
install dev
echo "== ruff" && ruff check . && ruff format --check .
echo "== mypy" && mypy
echo "== pytest" && python -m pytest "$@"
