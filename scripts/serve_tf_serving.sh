#!/usr/bin/env bash
# A model served by TensorFlow Serving in Docker, until Ctrl-C: it says when pictures are answered, and how to ask.
set -euo pipefail

usage() {
  cat <<'END'
usage: scripts/serve_tf_serving.sh --model_dir DIR

  --model_dir DIR       the folder that holds saved_model.pb
  --name NAME           its name in addresses (default headlight)
  --port N              where to answer (default 8501)
  --host ADDRESS        from where it can be reached (default 127.0.0.1; 0.0.0.0: everywhere)
  --image URI           default tensorflow/serving:2.19.1
  --sample_image FILE   the picture that is asked about at the start; default: the server's example
  --wait_secs N         for so long it may take to load (default 120)
  --dry_run             print the commands, run none of them
END
}

# shellcheck source=scripts/telling.sh
source "$(dirname "${BASH_SOURCE[0]}")/telling.sh"

model_dir='' name=headlight port=8501 host=127.0.0.1 image=tensorflow/serving:2.19.1 wait_secs=120
sample_image=$root/predict/page/example.jpg
read_flags 'model_dir name port host image sample_image wait_secs' '' "$@"
[[ -n $model_dir ]] || mistake '--model_dir is missing' 'say where the SavedModel is'
[[ $port =~ ^[1-9][0-9]*$ ]] || mistake "--port is a number, got $port" 'give one'
[[ $wait_secs =~ ^[0-9]+$ ]] || mistake "--wait_secs is a number of seconds, got $wait_secs" 'give one'
wait_secs=$((10#$wait_secs)) # 090 is no octal number
[[ $name =~ ^[A-Za-z0-9_.-]+$ ]] || mistake "--name $name can not stand in an address" 'give letters and digits'
[[ -f $model_dir/saved_model.pb ]] ||
  fail 3 'this is no SavedModel' "--model_dir $model_dir" 'give the folder that holds saved_model.pb'
[[ -f $sample_image ]] || fail 3 'there is no such picture' "--sample_image $sample_image" 'give a picture'
model_dir=$(cd "$model_dir" && pwd)
[[ $model_dir != *\"* ]] || fail 3 'Docker takes no path with a "' "--model_dir $model_dir" 'rename the folder'

if [[ -z $dry_run ]]; then
  for tool in docker curl; do
    command -v "$tool" >/dev/null || fail 3 "$tool is not installed" 'PATH' "install $tool"
  done
fi

scratch=$(mktemp -d)
container=''
cleanup() {
  code=$?
  trap - EXIT INT TERM HUP
  if [[ -n $container ]]; then
    run docker stop --time 10 "$container" >/dev/null || true # it may have ended by itself
    run docker rm --force "$container" >/dev/null || say "still there: docker rm --force $container"
  fi
  rm -rf "$scratch"
  exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# Asks until it is answered; what it said last is in $scratch/said.
await() { # WHAT COMMAND...
  local what=$1 begun=$SECONDS
  shift
  show "$@"
  [[ -z $dry_run ]] || return 0
  until "$@" >"$scratch/said" 2>&1; do
    [[ $(docker inspect --format '{{.State.Running}}' "$container" 2>&1) == true ]] || {
      docker logs --tail 20 "$container" >&2 || true
      fail 5 'TensorFlow Serving ended by itself' "$model_dir" 'see its log above'
    }
    ((SECONDS - begun < wait_secs)) ||
      fail 5 "$what takes longer than $wait_secs s: $(tail -n 1 "$scratch/said")" "$address" \
        'see docker logs, or raise --wait_secs'
    say "$what: $((SECONDS - begun)) s of $wait_secs"
    sleep "${SERVE_POLL_SECS:-2}"
  done
}

address=http://$host:$port/v1/models/$name
[[ $host != 0.0.0.0 ]] || address=http://127.0.0.1:$port/v1/models/$name
run "$python" -m predict.images_to_json --format instances \
  -o "$scratch/request.json" -- "$sample_image" >&2 ||
  fail 3 'the sample can not be sent' "--sample_image $sample_image" 'give another'

# Without --rm: the log of a container that ends by itself would go with it.
run docker run --detach --publish "$host:$port:8501" \
  --mount "type=bind,\"source=$model_dir\",target=/models/$name/1,readonly" \
  --env "MODEL_NAME=$name" "$image" >"$scratch/container" ||
  fail 5 "Docker ended with exit code $?" "$image" 'see what it said above'
container=$(tail -n 1 "$scratch/container")
[[ -z $dry_run ]] || container=CONTAINER

await 'loading the model' curl -fsS "$address"
await 'answering a picture' curl -fsS -d "@$scratch/request.json" "$address:predict"
say "it answers $sample_image:"
[[ -n $dry_run ]] || cat "$scratch/said"
say "ask it: python -m predict.local --endpoint $address:predict PICTURE...      stop it: Ctrl-C"
run docker logs --follow "$container"
