#!/usr/bin/env bash
# Builds Francine, starts a master with local workers, renders a first picture to
# ao.jpg and serves until Ctrl-C. Where ~/.francinerc has users, a picture needs a
# token, so there it serves and says how to log in.
#
#   ./run_locally.sh [--once] [MODEL.obj] [FLAGS]
#
#   --once       stop after the first picture
#   MODEL.obj    render this mesh instead of the scene of ao
#   FLAGS        go to francine-server: --rest-port 3100, --static-instance-size 4, ...
#                (build/server/francine-server --help lists them)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server="$root/build/server/francine-server"
targets=(server/francine-server cli/francine)
picture="$PWD/ao.jpg"
parallel=16

once=false
model=
flags=()
for argument in "$@"; do
  case "$argument" in
    --once) once=true ;;
    -h | --help)
      sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    --*) flags+=("$argument") ;;
    *.obj | *.OBJ) model=$argument ;;
    *) flags+=("$argument") ;;
  esac
done
if [[ -n $model && ! -r $model ]]; then
  echo "run_locally.sh: $model cannot be read" >&2
  exit 2
fi

server_pid=
work=
clean_up() {
  local code=$?
  trap - EXIT
  trap '' INT TERM HUP
  if [[ -n $server_pid ]]; then
    kill -TERM "$server_pid" 2> /dev/null || true
    wait "$server_pid" 2> /dev/null || true
  fi
  if [[ -n $work ]]; then
    rm -rf "$work"
  fi
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

fail() {
  echo "run_locally.sh: $1" >&2
  if [[ -s $work/log ]]; then
    echo "The server said:" >&2
    tail -n 20 "$work/log" >&2
  fi
  exit 1
}

# Builds what has changed; says something only when there is something to wait for.
build() {
  "$root/scripts/install-packages.sh" build
  if [[ ! -e $root/build/build.ninja ]]; then
    meson setup --buildtype=release "$root/build" "$root"
  fi
  if [[ $(ninja -C "$root/build" -n "${targets[@]}" | tail -n 1) != *"no work to do"* ]]; then
    echo "Building ..."
    ninja -C "$root/build" "${targets[@]}"
  fi
}

# Starts the server and sets rest_port and ws_port. Its one line of output says that it is
# ready; when it ends before, reading the pipe ends too.
start() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/francine.XXXXXX")
  mkfifo "$work/ready"
  # In a session of its own, so that Ctrl-C reaches this script alone, which then
  # stops the server in order.
  setsid "$server" --data-dir "$work/data" "${flags[@]}" > "$work/ready" 2> "$work/log" &
  server_pid=$!
  local line=
  read -r line < "$work/ready" || true
  if [[ $line != "francine-server ready: "* ]]; then
    fail "the server did not start"
  fi
  rest_port=${line#*rest=}
  rest_port=${rest_port%% *}
  ws_port=${line#*ws=}
  ws_port=${ws_port%% *}
}

# The value of a key as the server has it in force, whatever set it.
in_force() {
  local value
  value=$("$server" check-config "${flags[@]}" 2> /dev/null | sed -n "s/^${1//./\\.} = //p")
  echo "${value%  (*}"
}

# Sets the URLs and ca, the file with what to trust the server by (empty: the system's).
find_urls() {
  url="http://localhost:$rest_port"
  ws_url="ws://localhost:$ws_port"
  ca=
  if [[ -n $(in_force tls.certificate) ]]; then
    url="https://localhost:$rest_port"
    ws_url="wss://localhost:$ws_port"
    ca=$(in_force tls.ca)
  fi
}

# request OUTPUT CURL-ARGUMENTS...: fails with the server's own words. Returns 1 and sets
# obstacle where only who starts the server can help.
request() {
  local output=$1 status code=0
  shift
  status=$(curl --silent --show-error --noproxy '*' ${ca:+--cacert "$ca"} --output "$output" \
    --write-out '%{http_code}' "$@") || code=$?
  if ((code == 60)); then
    obstacle="curl does not trust the server's certificate for localhost (see tls.ca and \
docs/deployment.md)"
    return 1
  fi
  if ((code != 0)); then
    fail "the REST port does not answer"
  fi
  if [[ $status == 401 ]]; then
    locked=true
    obstacle="the server has users, and a picture needs the token of one"
    return 1
  fi
  if [[ $status != 2* ]]; then
    fail "the picture was refused: $(cat "$output")"
  fi
}

member() {
  sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p" "$2"
}

render_model() {
  local id name
  request "$work/answer" --upload-file "$model" "$url/resources" || return
  id=$(member id "$work/answer")
  request "$work/answer" --data-binary @- "$url/sessions" << JSON || return
{"producer": "ao", "format": "jpg",
 "resources": [{"type": "upload", "id": "$id", "dst": "model.obj"}]}
JSON
  name=$(member name "$work/answer")
  request "$work/picture" --data-binary "{\"parallel\": $parallel}" \
    "$url/sessions/$name/executions?block=true"
}

render_first() {
  if [[ -n $model ]]; then
    render_model
  else
    request "$work/picture" "$url/?parallel=$parallel"
  fi
}

# What may be tried next, each line as it can be pasted.
print_hints() {
  local curl="curl${ca:+ --cacert ${ca@Q}}"
  local francine="$root/build/cli/francine"
  local there="--server $url${ca:+ --ca ${ca@Q}}"
  echo "Francine serves at $url (WebSocket: $ws_url) until Ctrl-C. Try:"
  if $locked; then
    echo "  $francine login $there"
    echo "  $francine render $there --parallel 64 -o ao.png"
    echo "  $curl $url/info"
  else
    echo "  $francine render $there --parallel 64 -o ao.png"
    echo "  $curl '$url/?parallel=64' > ao.jpg"
    echo "  $curl $url/info"
    echo "  $curl -d '{\"producer\": \"ao\", \"format\": \"png\"}' '$url/sessions?block=true' > ao.png"
  fi
}

build
start
find_urls

locked=false
obstacle=
began=$EPOCHREALTIME
render_first || true
ended=$EPOCHREALTIME
if [[ -z $obstacle ]]; then
  mv "$work/picture" "$picture"
  took=$(((${ended/[.,]/} - ${began/[.,]/}) / 1000))
  echo "The picture is $picture ($took ms)."
elif $once; then
  fail "no picture: $obstacle; without --once it serves, and says what to do"
else
  echo "No first picture: $obstacle."
fi
if $once; then
  exit 0
fi

trap 'exit 0' INT TERM
print_hints
code=0
wait "$server_pid" || code=$?
server_pid=
if ((code != 0)); then
  fail "the server ended by itself (exit code $code)"
fi
