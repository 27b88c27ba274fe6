#!/usr/bin/env bash
# From nothing to generated text: makes a virtual environment, installs artgen, trains a small Transformer on the manual
# that ships inside Python, and prints what it writes. A few minutes on two CPU cores, after the downloads.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

echo "== 1 of 4: installing into ${VIRTUAL_ENV:-.venv}"
use_environment
install

run=runs/quickstart
if [ -e "$run" ]; then run=runs/quickstart-$(date +%Y%m%d-%H%M%S); fi
echo "== 2 of 4: artgen train text/quickstart --out $run"
artgen train text/quickstart --out "$run"

echo "== 3 of 4: artgen sample $run -n 2"
artgen sample "$run" -n 2 --seed 1 --max-tokens 400

echo "== 4 of 4: artgen evaluate $run"
artgen evaluate "$run" --samples 4
cat <<EOF

Next:  . .venv/bin/activate
       artgen train text/gpt --data YOUR_TEXT.txt --out runs/mine
       artgen sample runs/mine --prompt "Once upon a time"
EOF
