#!/usr/bin/env bash
# Builds the real peers that tests and benchmarks run against, from the Go module proxy.
#
#   build.sh [nsqd] [goipam-bench] [crdb-parse] [metal-go]     default: all four, the quick ones first
#
# What is already built and newer than its sources is left alone. PEERS_BIN: where the binaries go (default: bin/ here).
# Exit 3: this machine has no Go, or one too old for some peer (the others are built). With 2 cores and nothing cached: nsqd 25 s, metal-go 30 s,
# goipam-bench 55 s, crdb-parse 145 s.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
bin=${PEERS_BIN:-$here/bin}
mkdir -p "$bin"
bin=$(cd "$bin" && pwd)

stale() { # peer
  [ ! -x "$bin/$1" ] || [ -n "$(find "$here/$1" -type f -newer "$bin/$1" -print -quit)" ]
}

# "go1.26.8" is new enough for "1.26"; a development build ("devel ...") is taken at its word.
new_enough() { # wanted
  local have
  have=$(GOTOOLCHAIN=local go env GOVERSION)
  case $have in go*) have=${have#go} ;; *) return 0 ;; esac
  [ "$(printf '%s\n%s\n' "$1" "${have%%[!0-9.]*}" | sort -V | head -n 1)" = "$1" ]
}

unable=0
[ $# -gt 0 ] || set -- nsqd metal-go goipam-bench crdb-parse
for peer in "$@"; do
  [ -f "$here/$peer/go.mod" ] || { echo "no peer is called $peer: nsqd, metal-go, goipam-bench, crdb-parse" >&2; exit 2; }
  stale "$peer" || continue
  command -v go >/dev/null || { echo "no Go on this machine: $peer can't be built" >&2; unable=3; continue; }
  wanted=$(awk '$1 == "go" { print $2 }' "$here/$peer/go.mod")
  if ! new_enough "$wanted"; then
    echo "$peer needs Go $wanted, this machine has $(GOTOOLCHAIN=local go env GOVERSION)" >&2
    unable=3
    continue
  fi
  case $peer in
    nsqd) package=github.com/nsqio/nsq/apps/nsqd ;;
    *) package=. ;;
  esac
  # Built from a copy: -mod=mod may write go.mod and go.sum. Renamed when done: a second build beside this one, or a test
  # that starts the binary meanwhile, never sees half of it.
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cp -r "$here/$peer/." "$work"
  (cd "$work" && GOTOOLCHAIN=local GOWORK=off GOFLAGS="-mod=mod -buildvcs=false" go build -trimpath -o "$work/.built" "$package")
  install -m 755 "$work/.built" "$bin/.$peer.$$"
  mv "$bin/.$peer.$$" "$bin/$peer"
  rm -rf "$work"
  echo "built $peer"
done
exit "$unable"
