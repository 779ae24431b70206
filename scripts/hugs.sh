#!/usr/bin/env bash
# The hugs example: things to hug, and things not to; one more class for pictures without a label.
set -euo pipefail
# shellcheck disable=SC2034  # read by example.sh
example=hugs train_csv=train_data.csv eval_csv=eval_data.csv trainer_flags=(--unlabelled_class) \
  pictures=gs://oscon-tf-workshop-materials/transfer_learning/cloudml/hugs_photos
# shellcheck source=scripts/example.sh
source "$(dirname "${BASH_SOURCE[0]}")/example.sh"
