#!/usr/bin/env bash
# The flowers example: daisies, dandelions, roses, sunflowers and tulips.
set -euo pipefail
# shellcheck disable=SC2034  # read by example.sh
example=flowers train_csv=train_set.csv eval_csv=eval_set.csv trainer_flags=(--max_steps 1000) \
  pictures=gs://cloud-samples-data/ml-engine/flowers
# shellcheck source=scripts/example.sh
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
