#!/usr/bin/env bash
# Pictures to vectors on Dataflow: one CSV and its dictionary become one set of records on a bucket.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/dataflow.sh --input_path CSV --input_dict FILE --output_path gs://BUCKET/DIR/NAME [...] [-- FLAGS]

  --input_path CSV      image,label, one picture a line; the pictures on a bucket
  --input_dict FILE     dict.txt: one label a line
  --output_path PREFIX  of the records, as gs://BUCKET/out/preprocessed/train
  --region REGION       where, as europe-west1 (default: gcloud's own)
  --project PROJECT     default: gcloud's own
  --num_workers N       machines at the start (default 3)
  --dry_run             print the command, do not run it

  What follows -- goes to preprocess.run as it is: its own flags, and Apache Beam's.
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

input_path='' input_dict='' output_path='' region='' project='' num_workers=3
instead='write flags of preprocess.run after --'
read_flags 'input_path input_dict output_path region project num_workers' '' "$@"
[[ -n $input_path ]] || mistake '--input_path is missing' 'say which CSV'
[[ -n $input_dict ]] || mistake '--input_dict is missing' 'say which dict.txt'
[[ -n $output_path ]] || mistake '--output_path is missing' 'say where the records go'
on_a_bucket --output_path "$output_path"
[[ $num_workers =~ ^[1-9][0-9]*$ ]] || mistake "--num_workers $num_workers is no number" 'give 1 or more'

more=()
[[ -z $region ]] || more+=(--region "$region")
[[ -z $project ]] || more+=(--project "$project")
run "$python" -m preprocess.run --cloud --input_path "$input_path" --input_dict "$input_dict" \
  --output_path "$output_path" --num_workers "$num_workers" "${more[@]+"${more[@]}"}" "${rest[@]+"${rest[@]}"}"
