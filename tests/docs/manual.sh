#!/bin/bash
# manual.sh ROOT [TOOL] LIBRARY... - the manual is complete: every exported function is documented
# in section 3, can be found under its own name, and is declared as in its header; no page names
# anything else. All options of --help are in section 1.
set -u
export LC_ALL=C
root=$1
shift
# shellcheck source=tests/tap.sh
. "$root/tests/tap.sh"
man=$root/docs/man

none() { # WHAT LINES: there are none
	[ -z "$2" ]
	ok $? "$1"
	[ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/# /'
}
# declarations, each on one line, without comments; pp_ functions only
declared() {
	cat "$root"/include/pagepool/*.h "$root"/include/pagepool/inline/*.h "$root"/telemetry/include/pagepool/*.h "$root"/net/include/pagepool/*.h |
		sed -e 's,/\*[^*]*\*/,,g' -e '/^[[:space:]]*\/*\*/d' | tr '\n\t' '  ' |
		grep -oE '(PP_API|static inline|PP_INLINE) [^;{}()]*\bpp_[a-z0-9_]+\([^()]*(\([^()]*\)[^()]*)*\)' |
		sed -E 's/ +/ /g'
}
# what the headers make their inline functions and macros from; nobody else's
inner='pp_fast_[a-z]+|pp_(page_get|page_put|frag_get)_(slow|raced)|pp_getter_get_slow|pp_(load|store)_[a-z]+|pp_barrier_[a-z]+|pp_self|pp_params_zero'
names() { grep -oE '\bpp_[a-z0-9_]+\(' | tr -d '(' | grep -vxE "$inner" | sort -u; }
# those that are macros over pp_..._at, which gets the place of the call
macros=$(grep -hoE '^#define pp_[a-z0-9_]+\(' "$root"/include/pagepool/*.h | sed 's/^#define //' | names)
offered=$({ declared | sed -E 's/\(.*/(/' | names; echo "$macros"; } | sort -u)
exported=$(for f; do [[ $f == *.so* ]] && nm -D --defined-only "$f"; done | awk '{ sub(/@.*/, "", $3); print $3 }' |
	grep '^pp_' | grep -vxE "$inner" | sort -u)
documented=$(sed -nE 's/^\.(Fn|Fo) (pp_[a-z0-9_]+).*/\2/p' <(for p in "$man"/*.3; do sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$p"; done) | sort -u)
named=$(sed -nE '/^\.Sh NAME/,/^\.Nd/s/^\.Nm (pp_[a-z0-9_]+).*/\1/p' "$man"/*.3 | sort -u)
links=$({ basename -s .3 "$man"/pp_*.3; awk '/^man_names/ { on = 1 } on' "$root/docs/meson.build" | grep -oE "'pp_[a-z0-9_]+'" | tr -d "'"; } | sort -u)

[ "$(echo "$offered" | wc -l)" -gt 60 ]
ok $? "the headers offer functions: $(echo "$offered" | wc -l)"
none "each exported function is in a header" "$(comm -23 <(echo "$exported") <(echo "$offered"))"
none "each function of a header is in a SYNOPSIS" "$(comm -23 <(echo "$offered") <(echo "$documented"))"
none "... and in its page's NAME" "$(comm -23 <(echo "$offered") <(echo "$named"))"
none "... and can be found by its name" "$(comm -23 <(echo "$offered") <(echo "$links"))"
none "no page, name or link is of a function that isn't there" \
	"$(comm -13 <(echo "$offered") <(printf '%s\n' "$documented" "$named" "$links" | sort -u))"

# The same arguments in the same order, as far as their number and types go.
plain() { sed -E 's/[[:space:]]+/ /g; s/ ?([*,()]) ?/\1/g; s/PP_API |PP_INLINE |static inline |__attribute__\(\([^)]*\)\) ?//g'; }
in_headers=$(declared | plain | grep -oE '\bpp_[a-z0-9_]+\(.*' | grep -vE "^($inner)\(" | sort -u)
in_pages=$(for p in "$man"/pp_*.3 "$man/pagepool.3"; do
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$p" | awk '
		/^\.Fn / { sub(/^\.Fn /, ""); name = $1; sub(/^[^ ]+ ?/, ""); n = 0; s = ""
			while (match($0, /"[^"]*"|[^ ]+/)) { a = substr($0, RSTART, RLENGTH); gsub(/"/, "", a); s = s (n++ ? "," : "") a; $0 = substr($0, RSTART + RLENGTH) }
			print name "(" s ")" }
		/^\.Fo / { name = $2; s = ""; n = 0 }
		/^\.Fa / { sub(/^\.Fa /, ""); gsub(/"/, ""); s = s (n++ ? "," : "") $0 }
		/^\.Fc/ { print name "(" s ")" }'
done | plain | grep -vE "^($(echo "$macros" | paste -sd'|'))\(" | sort -u)
none "each is declared there as in the header" "$(comm -13 <(echo "$in_headers") <(echo "$in_pages"))"

# options_missing PAGE SECTION COMMAND...: those of its --help that aren't in that section of the page
options_missing() {
	local page=$1 name=$2 section option

	shift 2
	grep -qE "^\.Ss $name\$" "$page" || echo "$name"
	section=$(awk -v c="$name" '$0 == ".Ss " c { on = 1; next } /^\.S[sh] / { on = 0 } on' "$page")
	for option in $("$@" --help | grep -oE -- '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u); do
		[ "$option" = --help ] && continue
		printf '%s\n' "$section" | grep -qE -- "Fl .*(-${option#--}|${option:2:1})( |\$)" || echo "$name:$option"
	done
}
for f; do
	[[ $f == *.so* ]] && continue
	none "all of --help is in pagepool(1)" "$(for command in $("$f" --help | awk '/^  [a-z]/ { print $1 }'); do
		options_missing "$man/pagepool.1" "$command" "$f" "$command"
	done)"
	"$f" --help | grep -q '^  kernel ' || continue
	none "... and of kernel in pagepool-kernel(1)" "$(for command in $("$f" kernel --help | awk '/^  [a-z]/ { print $1 }'); do
		options_missing "$man/pagepool-kernel.1" "$command" "$f" kernel "$command"
	done)"
done
# what is read from the environment
read_here=$(grep -rhoE 'secure_getenv\("[A-Z_]+"|env_setting\("[A-Z_]+"' "$root/src" "$root/telemetry" "$root/tool" "$root/net" |
	grep -oE '"[A-Z_]+"' | tr -d '"' | sort -u)
none "what is read from the environment is in pagepool(7)" \
	"$(for v in $read_here; do grep -q "^\.It Ev $v\$" "$man/pagepool.7" || echo "$v"; done)"
echo "1..$n"
exit $failed
