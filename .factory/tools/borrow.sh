#!/bin/sh
# Give a fresh checkout its own .venv without the network: the packages of the development environment that
# is on PATH, but this checkout's code. Run by factory in each workspace and each gate's checkout.
set -eu
theirs=$(dirname "$(dirname "$(command -v python)")")
test -f "$theirs/pyvenv.cfg" || { echo "activate the development environment first: make setup, then . .venv/bin/activate"; exit 1; }
python -m venv --without-pip .venv
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$PWD" "$packages" >"$site/borrowed.pth"
for program in factory git-factory mypy pytest lint-imports coverage; do
	{ echo "#!$PWD/.venv/bin/python"; tail -n +2 "$theirs/bin/$program"; } >".venv/bin/$program"
	chmod +x ".venv/bin/$program"
done
ln -sf "$theirs/bin/ruff" .venv/bin/ruff
touch .venv/.ready .venv/.ready-dev
