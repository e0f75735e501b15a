#!/bin/bash
# models.sh ROOT - comments in the code name labels of the models ("Model: home.pml,
# pool_try_reclaim."), comments in the models functions of the code ("reclaim.c: pool_try_reclaim");
# all of these exist. TAP.
set -u
cd "$1" || exit 1

# LABEL in FILE: a label, an inline or a process
in_model() { grep -qE "^(inline |proctype )?$2( ?\(|:)" "tests/model/$1" 2>/dev/null; }

missing=$(grep -rhoE 'Model: [^*]*\.pml[^*]*\.' src/pool include | sed 's/Model: //; s/\.$//' | tr ';' '\n' |
	while IFS=, read -r files label; do
		for file in ${files//and/ }; do
			in_model "$file" "${label# }" || echo "# $file has no$label"
		done
	done)
echo "1..2"
[ -n "$missing" ] && printf 'not '
echo "ok 1 - what the code says of its models is there"
[ -z "$missing" ] || echo "$missing"

unknown=$(grep -hoE '\b[a-z]+\.[ch]: [a-z_]+(, [a-z_]+)*' tests/model/*.pml |
	while IFS=: read -r file functions; do
		for function in ${functions//,/}; do
			grep -qsE "^[a-zA-Z].*\b$function\(" "src/pool/$file" "include/pagepool/inline/$file" ||
				echo "# $file has no function $function"
		done
	done)
[ -n "$unknown" ] && printf 'not '
echo "ok 2 - what the models say of the code is there"
[ -z "$unknown" ] || echo "$unknown"
[ -z "$missing$unknown" ]
