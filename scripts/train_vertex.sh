#!/usr/bin/env bash
# A training on Vertex AI, submitted with gcloud: this package, the module trainer.task, its flags, a machine.
# `python -m trainer.task --cloud` submits the same job by itself, waits for it, and never submits it twice.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/train_vertex.sh --output_path gs://BUCKET/DIR --region REGION [...] -- FLAGS OF trainer.task

  --output_path GS_DIR  where the result goes; the package goes to its packages/
  --region REGION       where, as europe-west1 (that of the bucket)
  --project PROJECT     default: gcloud's own
  --name NAME           what the job is called (default: headlight, you and the time)
  --machine_type TYPE   default n1-standard-4
  --accelerator T[:N]   GPUs of each machine, as NVIDIA_L4 or NVIDIA_TESLA_T4:2; with an --image that has CUDA
  --nodes N             so many machines train together (default 1)
  --image IMAGE         one of Vertex AI's with Python 3.11, or one of yours whose entry point is the trainer
  --service_account A   as whom the job runs
  --dry_run             print the commands, run none of them

  scripts/train_vertex.sh --output_path gs://b/out --region europe-west1 -- \
    --train_data_paths gs://b/out/preprocessed/train --eval_data_paths gs://b/out/preprocessed/eval
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

output_path='' region='' project='' machine_type=n1-standard-4 accelerator='' nodes=1 service_account=''
image=''
name=headlight-$(your_name)-$(date -u +%Y%m%d-%H%M%S)
instead='write flags of trainer.task after --'
read_flags 'output_path region project name machine_type accelerator nodes image service_account' '' "$@"
[[ -n $output_path ]] || mistake '--output_path is missing' 'say where the result goes'
on_a_bucket --output_path "$output_path"
[[ -n $region ]] || mistake '--region is missing' 'say where, as --region europe-west1'
[[ $nodes =~ ^[1-9][0-9]*$ ]] || mistake "--nodes $nodes is no number of machines" 'give 1 or more'
[[ ! $image =~ \.py3([789]|10)(:|$) ]] || mistake "--image $image has Python 3.10 or older" 'the trainer needs 3.11'
[[ -z $accelerator || -n $image ]] ||
  mistake '--accelerator needs --image' 'name one with CUDA; trainer.task --cloud --train_accelerator brings it along'
image=${image:-us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest}
((${#rest[@]})) || mistake 'no flags of trainer.task are given' 'write -- and its flags: what it is to learn from'
needs_gcloud

# gcloud cuts a list at its commas, unless told another sign; the flags must not hold it.
flags="^|^--output_path=$output_path"
for word in "${rest[@]}"; do
  [[ $word != *'|'* ]] || mistake "a flag holds the sign |: $word" 'gcloud can not pass it on; use trainer.task --cloud'
  flags+="|$word"
done

machine=machine-type=$machine_type
if [[ -n $accelerator ]]; then
  count=${accelerator#*:}
  [[ $accelerator == *:* ]] || count=1
  machine+=,accelerator-type=${accelerator%%:*},accelerator-count=$count
fi

package=()
if [[ $image =~ ^(us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/ ]]; then
  code=executor-image-uri=$image,python-module=trainer.task
  staged=$(run "$python" "$here/stage_package.py" "$output_path/packages") ||
    fail 3 'the package could not be copied to the bucket' "$output_path/packages" 'see what it said above'
  package=(--python-package-uris="${staged:-$output_path/packages/...}")
else
  code=container-image-uri=$image
fi
pools=(--worker-pool-spec="$machine,replica-count=1,$code")
# Those that follow the chief are as it is: gcloud wants the image said once.
((nodes == 1)) || pools+=(--worker-pool-spec="$machine,replica-count=$((nodes - 1)),$code")

more=()
[[ -z $project ]] || more+=(--project="$project")
[[ -z $service_account ]] || more+=(--service-account="$service_account")
run gcloud ai custom-jobs create --region="$region" --display-name="$name" "${more[@]+"${more[@]}"}" \
  "${pools[@]}" "${package[@]+"${package[@]}"}" --args="$flags" || fail 5 'gcloud did not submit the job' "$name" 'see what it said above'
