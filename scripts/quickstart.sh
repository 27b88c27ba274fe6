#!/usr/bin/env bash
# From nothing to a result: makes a virtual environment, installs artgen, trains, and shows what the model makes. A few minutes on two
# CPU cores, after the downloads.
#
#   ./scripts/quickstart.sh            text: a small Transformer on the manual that ships inside Python
#   ./scripts/quickstart.sh pictures   pictures: flow matching on compositions that artgen draws itself
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

what=${1:-text}
case $what in
  text | pictures) ;;
  *) echo "quickstart.sh: $what: expected text or pictures" >&2; exit 2 ;;
esac

echo "== 1 of 4: installing into ${VIRTUAL_ENV:-.venv}"
use_environment
install video  # MP4, for artgen interpolate

run=runs/quickstart-$what
if [ -e "$run" ]; then run=$run-$(date +%Y%m%d-%H%M%S); fi
if [ "$what" = text ]; then
  echo "== 2 of 4: artgen train text/quickstart --out $run"
  artgen train text/quickstart --out "$run"

  echo "== 3 of 4: artgen sample $run -n 2"
  artgen sample "$run" -n 2 --seed 1 --max-tokens 400

  echo "== 4 of 4: artgen evaluate $run"
  artgen evaluate "$run" --samples 4
  next='artgen train text/gpt --data YOUR_TEXT.txt --out runs/mine
       artgen sample runs/mine --prompt "Once upon a time"'
else
  echo "== 2 of 4: artgen train image/flow --set train.steps=500 --out $run"
  artgen train image/flow --set train.steps=500 --out "$run"

  echo "== 3 of 4: artgen sample $run -n 36 -o $run.png"
  artgen sample "$run" -n 36 --seed 1 --grid -o "$run.png"

  echo "== 4 of 4: artgen evaluate $run"
  artgen evaluate "$run" --samples 64
  next='artgen train image/flow --data YOUR_PICTURES/ --out runs/mine
       artgen sample runs/mine -n 36 --grid -o sheet.png'
fi
cat <<MORE

Next:  . .venv/bin/activate
       $next
MORE
