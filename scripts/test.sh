#!/usr/bin/env bash
# Brings .venv up to date, then runs every check: style, types, import rules, and the tests. Arguments go to pytest:
#
#   scripts/test.sh                    everything
#   scripts/test.sh -m 'not slow'      the quick tests
#   scripts/test.sh test/contract -x
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup_env.sh
. scripts/env.sh
# This source tree, also where another copy of the package is sourced.
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

failed=()
check() { # NAME COMMAND...
  echo "--- $1"
  "${@:2}" || failed+=("$1")
}
check_shell_syntax() {
  local script
  for script in scripts/*.sh .ci/run; do bash -n "$script" || return; done
}
check 'ruff check' ruff check
check 'ruff format' ruff format --check
check 'mypy' mypy
check 'import rules' lint-imports --no-cache --no-logo
check 'shell syntax' check_shell_syntax
if ((${#failed[@]})); then
  printf 'test.sh: %s failed; pytest was not run\n' "$(IFS=';'; echo "${failed[*]}")" >&2
  exit 1
fi

echo '--- pytest'
exec python -m pytest "$@"
