#!/usr/bin/env bash
# shellcheck disable=SC2329  # functions are called by their names, at the end
# A new version of a model behind an endpoint of Vertex AI (or of the older AI Platform): it gets the traffic only when
# it has answered a sample picture rightly; the versions before it stay until told to go.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/deploy.sh --name NAME --region REGION --model_dir DIR   deploy, check, switch the traffic
       scripts/deploy.sh --name NAME --region REGION --list            what is deployed, and what has the traffic
       scripts/deploy.sh --name NAME --region REGION --rollback        traffic back to the version before
       scripts/deploy.sh --name NAME --region REGION --remove --version V

  --name NAME           the name of endpoint and model
  --region REGION       where, as us-central1
  --project PROJECT     default: gcloud's own
  --model_dir DIR       the SavedModel: gs://..., or a folder here with --staging
  --staging GS_DIR      a local model is copied below it first
  --image URI           the server's image (scripts/docker/server.Dockerfile, pushed); default: Google's for TensorFlow
  --machine_type TYPE   default n1-standard-4
  --sample_image FILE   the picture that must be answered; default: the server's example
  --label LABEL         what the answer must be; default: what the model says here
  --wait_secs N         for so long the sample may go unanswered (default 600)
  --version V           with --rollback: to that one; with --remove: that one (a name or number of --list)
  --legacy              gcloud ai-platform models/versions, which Google shut down on 2025-01-31
  --dry_run             print the commands, run none of them
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

# The latest of Vertex AI's own for TensorFlow, promised until January 2027.
prebuilt=us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest

name='' region='' project='' model_dir='' staging='' image=$prebuilt machine_type=n1-standard-4 label='' right=''
sample_image=$root/predict/page/example.jpg wait_secs=600 version='' list='' rollback='' remove='' legacy=''
read_flags 'name region project model_dir staging image machine_type sample_image label wait_secs version' \
  'list rollback remove legacy' "$@"

action=deploy
for other in ${list:+list} ${rollback:+rollback} ${remove:+remove}; do
  [[ $action == deploy ]] || mistake "--$action and --$other are two things" 'give one of them'
  action=$other
done
[[ -n $name ]] || mistake '--name is missing' 'say how the endpoint is called'
[[ -n $region ]] || mistake '--region is missing' 'say where, as --region us-central1'
[[ $wait_secs =~ ^[0-9]+$ ]] || mistake "--wait_secs is a number of seconds, got $wait_secs" 'give one'
wait_secs=$((10#$wait_secs)) # 090 is no octal number
[[ $name =~ ^[A-Za-z][A-Za-z0-9_-]{0,80}$ ]] ||
  mistake "--name $name is no name" 'take letters, digits, - and _, and begin with a letter'
[[ -z $legacy || $name != *-* ]] || mistake "--name $name has a -, which AI Platform does not take" 'take _ instead'
[[ $action != deploy || -n $model_dir ]] || mistake '--model_dir is missing' 'say where the SavedModel is'
[[ $action != deploy || -z $version ]] || mistake '--version is made anew each time' 'leave it out'
[[ $action != remove || -n $version ]] || mistake '--remove needs --version' 'see --list for the versions'
[[ $action != list || -z $version ]] || mistake '--list shows every version' 'leave --version out'
model_dir=${model_dir%/} staging=${staging%/}

needs_gcloud

place=(--region="$region")
[[ -z $project ]] || place+=(--project="$project")
scratch=$(mktemp -d)
check='' check_number=''

cleanup() {
  code=$?
  trap - EXIT INT TERM HUP
  # In a shell of its own, which a failure may end.
  [[ -z $check ]] || (drop_check) || say "left over, and paid for: endpoint $check; delete it"
  rm -rf "$scratch"
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# As everywhere; what gcloud fails at ends it.
run() {
  show "$@"
  [[ -z $dry_run ]] || return 0
  "$@" || fail 5 "gcloud ended with exit code $?" "$(printf '%q ' "${@:1:4}")" 'see what it said above'
}
# The same where an answer is wanted: --dry_run has one made up.
ask() { # MADE_UP COMMAND...
  local made_up=$1
  shift
  run "$@" --format=json
  [[ -z $dry_run ]] || printf '%s\n' "$made_up"
}
# The one line on standard output.
result() { # VERSION ENDPOINT
  if [[ -n $dry_run ]]; then
    say 'a dry run: nothing was asked, nothing was changed'
  else
    printf 'version=%s endpoint=%s\n' "$@"
  fi
}
answer() { "$python" "$here/deploy_answers.py" "$@"; }

# ------------------------------------------------------------------ the sample picture and its right answer

ready_sample() {
  [[ -f $sample_image ]] ||
    fail 3 'there is no such picture' "--sample_image $sample_image" 'give a picture on this machine'
  local asking=("$python" -m predict.images_to_json --format instances -o "$scratch/request.json" -- "$sample_image")
  show "${asking[@]}"
  [[ -z $dry_run ]] || return 0
  "${asking[@]}" >&2 || fail 3 'the sample can not be sent' "--sample_image $sample_image" 'give another picture'
  if [[ -z $label ]]; then
    say "asking the model here what $sample_image shows"
    "$python" -m predict.local --model_dir "$model_dir" --json -- "$sample_image" >"$scratch/here.json" ||
      fail 3 'the model does not answer the sample here' "--model_dir $model_dir" 'see what it said above'
    right=$(answer prediction <"$scratch/here.json") ||
      fail 3 'the model has no answer to the sample' "$sample_image" 'take another'
    say "the right answer is $right"
  fi
}

# By its number in the dictionary where the model was asked here: servers spell several labels in several ways.
is_right() { # NUMBER AND LABEL
  if [[ -n $label ]]; then [[ ${1#* } == "$label" ]]; else [[ ${1%% *} == "${right%% *}" ]]; fi
}

# Asks again and again, until there is an answer; a wrong one is the end.
await_sample() { # WHO NUMBER COMMAND...
  local who=$1 number=$2 begun=$SECONDS said=''
  shift 2
  show "$@" --format=json
  [[ -z $dry_run ]] || return 0
  while true; do
    if "$@" --format=json >"$scratch/answer.json" 2>"$scratch/errors" &&
      said=$(answer prediction "$number" <"$scratch/answer.json" 2>"$scratch/errors"); then
      if is_right "$said"; then
        say "$who answers $said: right"
        return 0
      fi
      problem="$who answers the sample with $said, and not with ${label:-$right}"
      return 1
    fi
    problem="$who did not answer the sample in $wait_secs s: $(tail -n 1 "$scratch/errors")"
    ((SECONDS - begun < wait_secs)) || return 1
    say "$who does not answer yet after $((SECONDS - begun)) s of $wait_secs: $(tail -n 1 "$scratch/errors")"
    sleep "${DEPLOY_POLL_SECS:-5}"
  done
}

new_version() { # SEPARATOR
  version=v$(date -u +%Y%m%d)$1$(date -u +%H%M%S)$1$(printf '%04x' $((RANDOM * 2 + RANDOM % 2)))
}

# The model where the cloud can read it.
ready_model() {
  if [[ $model_dir != gs://* ]]; then
    [[ -f $model_dir/saved_model.pb ]] ||
      fail 3 'this is no SavedModel' "--model_dir $model_dir" 'give the folder that holds saved_model.pb'
    [[ $staging == gs://* ]] ||
      mistake 'a model on this machine needs --staging gs://...' 'say where it may be copied to'
    origin=$staging/$name/$version
    run gcloud storage rsync --recursive "$model_dir" "$origin" >&2
  else
    origin=$model_dir
  fi
}

# ------------------------------------------------------------------ Vertex AI

find_endpoint() { # NAME -> its full name, or nothing
  ask '[]' gcloud ai endpoints list "${place[@]}" >"$scratch/endpoints.json"
  endpoint=$(answer resource "$1" <"$scratch/endpoints.json") ||
    fail 3 "more than one endpoint is called $1" "$region" 'delete or rename all but one'
}

need_endpoint() {
  find_endpoint "$name"
  [[ -z $dry_run ]] || endpoint=ENDPOINT
  [[ -n $endpoint ]] || fail 3 "there is no endpoint $name" "$region" 'see gcloud ai endpoints list'
  describe
}

describe() {
  local one='{"id": "1", "displayName": "'${version:-VERSION}'"}'
  ask '{"deployedModels": ['"$one"'], "trafficSplit": {"1": 100}, "labels": {"before-1": "1"}}' \
    gcloud ai endpoints describe "$endpoint" "${place[@]}" >"$scratch/endpoint.json"
}
of_endpoint() { answer "$@" <"$scratch/endpoint.json"; }

make_endpoint() { # NAME
  find_endpoint "$1"
  if [[ -z $endpoint ]]; then
    run gcloud ai endpoints create --display-name="$1" "${place[@]}" >&2
    find_endpoint "$1"
    [[ -z $dry_run ]] || endpoint=ENDPOINT-OF-$1
    [[ -n $endpoint ]] || fail 5 "the endpoint $1 was made and is not listed" "$region" 'run the same command again'
  fi
}

deploy_to() { # ENDPOINT NUMBER MORE...
  local endpoint=$1 number=$2
  shift 2
  run gcloud ai endpoints deploy-model "$endpoint" --model="$model" --display-name="$version" \
    --deployed-model-id="$number" --machine-type="$machine_type" --min-replica-count=1 "$@" "${place[@]}" >&2
}

drop_check() {
  local gone=$check
  check=''
  # What failed on its way there is not there.
  [[ -z $check_number ]] ||
    (run gcloud ai endpoints undeploy-model "$gone" --deployed-model-id="$check_number" "${place[@]}" >&2) || true
  run gcloud ai endpoints delete "$gone" --quiet "${place[@]}" >&2
}

# All traffic to one version, remembering what had it.
switch_to() { # NUMBER BEFORE
  local labels=() stale
  [[ -z $2 || $2 == "$1" ]] || labels=(--update-labels="before-$1=$2")
  # An endpoint holds 64 labels: those of versions that were removed make room.
  stale=$(of_endpoint stale)
  [[ -z $stale ]] || labels+=(--remove-labels="$stale")
  run gcloud ai endpoints update "$endpoint" --traffic-split="$1=100" ${labels[@]+"${labels[@]}"} "${place[@]}" >&2
}

upload() {
  ask '[]' gcloud ai models list "${place[@]}" >"$scratch/models.json"
  local parent more=()
  parent=$(answer resource "$name" <"$scratch/models.json") ||
    fail 3 "more than one model is called $name" "$region" 'delete or rename all but one'
  [[ -z $parent ]] || more=(--parent-model="$parent")
  ask '{"model": "MODEL", "modelVersionId": "1"}' gcloud ai models upload --display-name="$name" \
    --artifact-uri="$origin" --container-image-uri="$image" --version-aliases="$version" \
    ${more[@]+"${more[@]}"} "${place[@]}" >"$scratch/upload.json"
  model=$(answer uploaded <"$scratch/upload.json") ||
    fail 5 'gcloud does not say what it uploaded' 'gcloud ai models upload' 'run the same command again'
}

# A version can be asked by itself only where it is alone: it is checked at an endpoint of its own first.
vertex_deploy() {
  local number before
  new_version -
  ready_sample
  ready_model
  upload
  make_endpoint "$name-check-$version"
  check=$endpoint
  number=$(date +%s) check_number=$number
  deploy_to "$check" "$number" --traffic-split=0=100
  await_sample "$version" "$number" gcloud ai endpoints predict "$check" \
    --json-request="$scratch/request.json" "${place[@]}" ||
    fail 5 "$problem" "version $version, which gets no traffic" 'mend the model or the image; the traffic is where it was'
  drop_check

  make_endpoint "$name"
  describe
  before=$(of_endpoint serving)
  number=$((number + 1))
  deploy_to "$endpoint" "$number"
  switch_to "$number" "$before"
  if ! await_sample "$name" "$number" gcloud ai endpoints predict "$endpoint" \
    --json-request="$scratch/request.json" "${place[@]}"; then
    local traffic='it has the traffic, because no other version is there'
    if [[ -n $before ]]; then
      switch_to "$before" ''
      traffic='the traffic is back where it was'
    fi
    fail 5 "$problem" "version $version" "$traffic; see --list, and --remove --version $version"
  fi
  result "$version" "$endpoint"
}

vertex_list() {
  need_endpoint
  [[ -n $dry_run ]] || of_endpoint table
}

vertex_rollback() {
  local now target
  need_endpoint
  now=$(of_endpoint serving)
  if [[ -n $version ]]; then
    target=$(of_endpoint deployed "$version") || fail 3 "there is no version $version" "$name" 'see --list'
  else
    target=$(of_endpoint before) || fail 3 'there is no version to go back to' "$name" 'see --list, and say --version V'
  fi
  # What it took over from is remembered already: going back twice goes back two versions.
  switch_to "$target" ''
  [[ -n $dry_run ]] ||
    say "the traffic is back at $(of_endpoint version_of "$target"), and was at $(of_endpoint version_of "$now")"
  result "$(of_endpoint version_of "$target")" "$endpoint"
}

vertex_remove() {
  local number
  need_endpoint
  number=$(of_endpoint deployed "$version") || fail 3 "there is no version $version" "$name" 'see --list'
  [[ -n $dry_run || $number != "$(of_endpoint serving)" ]] ||
    fail 3 "version $version has the traffic" "$name" 'deploy another or say --rollback first'
  run gcloud ai endpoints undeploy-model "$endpoint" --deployed-model-id="$number" "${place[@]}" >&2
}

# ------------------------------------------------------------------ the older AI Platform

list_versions() {
  ask '[]' gcloud ai-platform versions list --model="$name" "${place[@]}" >"$scratch/versions.json"
}
of_versions() { answer "$@" <"$scratch/versions.json"; }

switch_old() { # VERSION BEFORE
  run gcloud ai-platform versions set-default "$1" --model="$name" "${place[@]}" >&2
  [[ -z $2 || $2 == "$1" ]] ||
    run gcloud ai-platform versions update "$1" --model="$name" --update-labels="before=$2" "${place[@]}" >&2
}

legacy_deploy() {
  local before
  say 'AI Platform was shut down on 2025-01-31: this works only where something still speaks as it did'
  new_version _
  ready_sample
  ready_model
  ask '[]' gcloud ai-platform models list "${place[@]}" >"$scratch/models.json"
  [[ -n $(answer named "$name" <"$scratch/models.json") ]] ||
    run gcloud ai-platform models create "$name" "${place[@]}" >&2
  list_versions
  before=$(of_versions old_default)
  run gcloud ai-platform versions create "$version" --model="$name" --origin="$origin/" --runtime-version=2.11 \
    --python-version=3.7 --framework=tensorflow --machine-type="$machine_type" "${place[@]}" >&2
  await_sample "$version" '' gcloud ai-platform predict --model="$name" --version="$version" \
    --json-request="$scratch/request.json" "${place[@]}" ||
    fail 5 "$problem" "version $version, which gets no traffic" 'mend the model; the traffic is where it was'
  switch_old "$version" "$before"
  result "$version" "$name"
}

legacy_list() {
  list_versions
  [[ -n $dry_run ]] || of_versions old_table
}

legacy_rollback() {
  local target=$version
  list_versions
  if [[ -n $dry_run ]]; then
    target=${version:-VERSION}
  elif [[ -n $version ]]; then
    [[ -n $(of_versions named "$version") ]] || fail 3 "there is no version $version" "$name" 'see --list'
  else
    target=$(of_versions old_before) ||
      fail 3 'there is no version to go back to' "$name" 'see --list, and say --version V'
  fi
  switch_old "$target" ''
  result "$target" "$name"
}

legacy_remove() {
  list_versions
  if [[ -z $dry_run ]]; then
    [[ -n $(of_versions named "$version") ]] || fail 3 "there is no version $version" "$name" 'see --list'
    [[ $version != "$(of_versions old_default)" ]] ||
      fail 3 "version $version has the traffic" "$name" 'deploy another or say --rollback first'
  fi
  run gcloud ai-platform versions delete "$version" --model="$name" --quiet "${place[@]}" >&2
}

service=vertex
[[ -z $legacy ]] || service=legacy
# On one line: bash reads on in the file while it runs, and that may be another by the end of a deployment.
"${service}_$action"; exit
