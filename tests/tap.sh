# tap.sh - what the scripts that print TAP share; to be sourced. n: tests so far; failed: 1 once
# one has failed.
# shellcheck shell=bash disable=SC2034
n=0
failed=0

ok() { # STATUS WHAT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
	fi
}
