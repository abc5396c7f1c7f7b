#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing when none is.
#
#   scripts/install-packages.sh build    what building and running Francine needs
#   scripts/install-packages.sh tests    that, and what its tests and benchmarks need
set -euo pipefail

build_packages=(
  g++ meson ninja-build pkg-config ccache     # the build
  curl ca-certificates                        # run_locally.sh asks for a picture
  libasio-dev libcpp-httplib-dev libcurl4-openssl-dev libssl-dev libwslay-dev rapidjson-dev
  libembree-dev libtinyobjloader-dev
  libopenexr-dev libspng-dev libturbojpeg0-dev libzstd-dev zlib1g-dev
  libsqlite3-dev libspdlog-dev libfmt-dev libargon2-dev libcli11-dev
  python3 python3-yaml                        # docs/api/openapi.yaml becomes JSON
)
test_packages=(doctest-dev libbenchmark-dev python3-jsonschema python3-websockets node-ws mandoc git
  procps iproute2 clang-19 libclang-rt-19-dev)

case "${1-}" in
  build) wanted=("${build_packages[@]}") ;;
  tests) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *)
    echo "usage: scripts/install-packages.sh build|tests" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query > /dev/null; then
  echo "This is no Debian system. Make sure that you have the equivalents of these packages:" >&2
  echo "  ${wanted[*]}" >&2
  exit 0
fi

installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${wanted[@]}" \
  2> /dev/null | sed -n 's/^installed //p' || true)
missing=()
for package in "${wanted[@]}"; do
  grep -qxF -- "$package" <<< "$installed" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo > /dev/null; then
    echo "These packages are missing; install them as root and start again:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}"
