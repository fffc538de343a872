#!/usr/bin/env bash
# Fetches a PgBouncer that carries prepared statements in transaction mode (1.21 or later), from the Debian release after
# the one whose PgBouncer does not, with the libraries it needs. Installs nothing: everything is in FOLDER, and the path of
# a program that runs it is printed. Tests use it by PITON_TEST_PGBOUNCER.
set -euo pipefail
folder=${1:?usage: tests/newer-pgbouncer.sh FOLDER}
release=trixie
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1)
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/debs" "$folder/root"
folder=$(cd "$folder" && pwd)
echo "deb $mirror $release main" > "$folder/sources.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache")
"${apt[@]}" update >&2
cd "$folder/debs"
"${apt[@]}" download pgbouncer libc6 libcares2 libevent-2.1-7t64 libssl3t64 libsystemd0 libpam0g libaudit1 libcap2 \
    libcap-ng0 zlib1g libzstd1 >&2
for package in *.deb; do dpkg-deb -x "$package" "$folder/root"; done
loader=$(find "$folder/root" -name 'ld-linux-*.so.*' | head -1)
cat > "$folder/pgbouncer" <<RUN
#!/bin/sh
exec "$loader" --library-path "$(dirname "$loader")" "$folder/root/usr/sbin/pgbouncer" "\$@"
RUN
# The tests run it as another user than root.
chmod 755 "$folder"
chmod -R go+rX "$folder"
chmod 755 "$folder/pgbouncer"
"$folder/pgbouncer" --version >&2
echo "$folder/pgbouncer"
