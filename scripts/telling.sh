# What scripts here have in common: three-line errors, every command printed before it runs, one Python.
# shellcheck shell=bash
# shellcheck disable=SC2034  # here, root and python are for those that source this

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
script=scripts/${0##*/}

say() { printf '%s\n' "$*" >&2; }

fail() { # CODE WHAT WHERE DO
  printf 'error: %s\nwhere: %s\ndo: %s\n' "$2" "$3" "$4" >&2
  exit "$1"
}

# A mistake in the command line: how it is used, then what is wrong.
mistake() { # WHAT DO
  usage >&2
  fail 2 "$1" "$script" "$2"
}

# Prints a command as it could be typed.
show() { { printf '+' && printf ' %q' "$@" && printf '\n'; } >&2; }

dry_run=''
# Prints a command, and runs it unless told not to.
run() {
  show "$@"
  [[ -n $dry_run ]] || "$@"
}

# The command line up to a `--`: each flag into the variable of its name, `--flag value` or `--flag=value`, with
# underscores or hyphens; those without a value become 1. What is behind the `--` is in `rest`, for scripts that say
# what may be there: `instead` is what to do with what is unknown.
rest=()
read_flags() { # WITH_VALUE WITHOUT WORDS...
  local _with_value=" $1 " _without=" $2 dry_run " _flag _name
  shift 2
  while (($#)) && [[ $1 != -- ]]; do
    _flag=${1%%=*} _name=${_flag#--}
    _name=${_name//-/_}
    [[ $_flag != --help && $_flag != -h ]] || { usage && exit 0; }
    if [[ $_flag == --?* && $_with_value == *" $_name "* ]]; then
      if [[ $1 == *=* ]]; then
        printf -v "$_name" %s "${1#*=}"
      else
        (($# > 1)) && [[ $2 != --?* ]] || mistake "$1 needs a value" "say $1 and its value"
        printf -v "$_name" %s "$2"
        shift
      fi
    elif [[ $1 == --?* && $_without == *" $_name "* ]]; then
      printf -v "$_name" 1
    else
      mistake "unknown argument $1" "${instead:-leave it out}"
    fi
    shift
  done
  [[ -n ${instead:-} ]] || ((!$#)) || mistake "unknown argument $1" 'leave it out'
  rest=("${@:2}")
}

on_a_bucket() { # FLAG PATH
  [[ $2 == gs://?* ]] || mistake "$1 is not on a bucket: ${2:-(nothing)}" 'give a path that begins with gs://'
}

needs_gcloud() {
  [[ -n $dry_run ]] || command -v gcloud >/dev/null ||
    fail 3 'gcloud is not installed' 'PATH' 'install the Google Cloud SDK and log in with gcloud auth login'
}

# USER is not set in cron, containers and startup scripts; a path must never hold an empty name.
your_name() {
  local user=${USER:-$(id -un 2>/dev/null || true)}
  printf %s "${user:-nobody}" | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9' '-'
}

python=${PYTHON:-}
if [[ -z $python ]]; then
  python=python3
  [[ ! -x $root/.venv/bin/python ]] || python=$root/.venv/bin/python
fi
# The package need not be installed where its checkout is.
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
