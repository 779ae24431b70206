# The examples of the earlier samples, hugs.sh and flowers.sh: the same steps on other pictures.
# Sourced by them, with: example, pictures (default), and trainer_flags.
# shellcheck shell=bash
# shellcheck disable=SC2154  # set by those that source this

usage() {
  cat <<END
usage: scripts/$example.sh preprocess BUCKET [PICTURES]       pictures to vectors, on Dataflow
       scripts/$example.sh train BUCKET GCS_PATH [JOB_ID]      a head on them, on Vertex AI
       scripts/$example.sh --dry_run preprocess|train ...      print the commands, run none of them

  BUCKET     gs://name or name: results go to BUCKET/USER/JOB_ID
  PICTURES   a folder with $train_csv, $eval_csv and dict.txt
             (default $pictures)
  GCS_PATH   what \`preprocess\` printed

  REGION, PROJECT and NUM_WORKERS (default 3) are read from the environment; without them gcloud's own count.
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

[[ ${1:-} != --help && ${1:-} != -h ]] || { usage && exit 0; }
if [[ ${1:-} == --dry_run ]]; then
  dry_run=1
  shift
fi
action=${1:-}
[[ -n $action ]] || mistake 'nothing to do' 'say preprocess or train'
[[ $action == preprocess || $action == train ]] || mistake "unknown step $action" 'say preprocess or train'
bucket=${2:-}
[[ -n $bucket ]] || mistake 'No bucket supplied.' "give one of yours: scripts/$example.sh $action gs://BUCKET"
bucket=gs://${bucket#gs://} bucket=${bucket%/}
[[ $bucket =~ ^gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?$ ]] ||
  mistake "$bucket is no bucket" 'small letters, digits, . _ - and no spaces'

where=()
[[ -z ${REGION:-} ]] || where+=(--region "$REGION")
[[ -z ${PROJECT:-} ]] || where+=(--project "$PROJECT")

# One set; a job that runs already is attached to.
preprocess() { # SET CSV MORE...
  run "$python" -m preprocess.run --cloud --num_workers "${NUM_WORKERS:-3}" --input_path "$pictures/$2" \
    --input_dict "$pictures/dict.txt" --output_path "$gcs_path/preproc/$1" "${where[@]+"${where[@]}"}" "${@:3}"
}

if [[ $action == preprocess ]]; then
  (($# <= 3)) || mistake "unexpected argument ${*:4:1}" 'quote names with spaces'
  pictures=${3:-$pictures} pictures=${pictures%/}
  user=$(your_name)
  gcs_path=$bucket/$user/${example}_${user}_$(date -u +%Y%m%d_%H%M%S)
  # Both at once; the last line sees the first to its end.
  preprocess eval "$eval_csv" --no_wait
  preprocess train "$train_csv"
  preprocess eval "$eval_csv"
  say "records: $gcs_path/preproc/train and $gcs_path/preproc/eval"
  say "next: scripts/$example.sh train $bucket $(printf %q "$gcs_path")"
else
  (($# <= 4)) || mistake "unexpected argument ${*:5:1}" 'quote names with spaces'
  gcs_path=${3:-} gcs_path=${gcs_path%/}
  [[ -n $gcs_path ]] || mistake 'No GCS path supplied' "give what scripts/$example.sh preprocess printed"
  on_a_bucket GCS_PATH "$gcs_path"
  job_id=${4:-}
  named=()
  # Names of the earlier scripts had underscores, which Vertex AI's names have not.
  [[ -z $job_id ]] || named=(--job_name "${job_id//_/-}")
  run "$python" -m trainer.task --cloud --train_data_paths "$gcs_path/preproc/train" \
    --eval_data_paths "$gcs_path/preproc/eval" --output_path "$gcs_path/training" "${where[@]+"${where[@]}"}" "${named[@]+"${named[@]}"}" \
    "${trainer_flags[@]}"
  say "next: $python -m predict.local --model_dir $(printf %q "$gcs_path/training/model") PICTURE"
fi
