#!/usr/bin/env bash
# A training as it was submitted to AI Platform, which Google shut down on 2025-01-31: the old spelling, for those who
# look for it, and `--local`, which still runs. scripts/train_vertex.sh submits the same trainer to Vertex AI.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/train_ai_platform.sh --output_path DIR [...] -- FLAGS OF trainer.task

  --output_path DIR     where the result goes (gs://..., or a folder here with --local)
  --local               gcloud ai-platform local train: the trainer on this machine
  --region REGION       where it ran (default us-central1)
  --project PROJECT     default: gcloud's own
  --name NAME           what the job was called (default: headlight, you and the time)
  --scale_tier TIER     default BASIC
  --runtime_version V   default 2.11, the last there was
  --dry_run             print the commands, run none of them
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

output_path='' region=us-central1 project='' scale_tier=BASIC runtime_version=2.11 local=''
name=headlight_$(your_name | tr - _)_$(date -u +%Y%m%d_%H%M%S)
instead='write flags of trainer.task after --'
read_flags 'output_path region project name scale_tier runtime_version' local "$@"
[[ -n $output_path ]] || mistake '--output_path is missing' 'say where the result goes'
[[ -n $local ]] || on_a_bucket --output_path "$output_path"
[[ $name =~ ^[A-Za-z][A-Za-z0-9_]*$ ]] || mistake "--name $name is no name" 'take letters, digits and _, a letter first'
((${#rest[@]})) || mistake 'no flags of trainer.task are given' 'write -- and its flags: what it is to learn from'
needs_gcloud

if [[ -n $local ]]; then
  # gcloud starts the `python` it finds: the one that has the package's requirements must come first.
  [[ $python != */* ]] || PATH=$(dirname "$python"):$PATH
  run gcloud ai-platform local train --module-name=trainer.task --package-path="$root/trainer" \
    --job-dir="$output_path" -- "${rest[@]}" || fail 5 'the training failed' "$output_path" 'see what it said above'
  exit 0
fi

say 'note: Google shut AI Platform Training down on 2025-01-31. This is how the job was submitted; the service refuses it.'
say "      On Vertex AI: scripts/train_vertex.sh --output_path $output_path --region $region -- ..."
more=()
[[ -z $project ]] || more+=(--project="$project")
run gcloud ai-platform jobs submit training "$name" --module-name=trainer.task --package-path="$root/trainer" \
  --staging-bucket="$(cut -d/ -f1-3 <<<"$output_path")" --region="$region" "${more[@]+"${more[@]}"}" \
  --scale-tier="$scale_tier" --runtime-version="$runtime_version" --python-version=3.7 \
  --job-dir="$output_path" -- "${rest[@]}" ||
  fail 5 'AI Platform did not take the job: the service has ended' "$name" 'use scripts/train_vertex.sh'
