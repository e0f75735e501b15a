#!/usr/bin/env python3
"""facts.py ROOT [TOOL] - facts that are stated twice agree: a function's errors in its header and on its
manual page; the table of calls to serialise; counters, totals and limits; the commands that the
tool, its manual, README.md and architecture.md list; the functions of architecture.md exist; what
pages count, there are as many of; there is one version; MAINTAINERS names folders and targets that
exist, and all folders.
"""
import glob
import os
import re
import subprocess
import sys

from shared import end, none, read

root = os.path.abspath(sys.argv[1])
tool = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
os.chdir(root)
headers = glob.glob("include/pagepool/*.h") + ["net/include/pagepool/net.h", "telemetry/include/pagepool/telemetry.h"]


def documented():
    """Each function of the headers with the errors after @return in the comment above it; "as
    pp_other" stands for those of that function."""
    errors, same_as = {}, {}
    comment = r"/\*\*((?:(?!\*/).)*)\*/\s*?\n((?:(?:PP_API|static inline|#define pp_)[^\n]*\n(?:[ \t]+[^\n]*\n)*)+)"
    for header in headers:
        for text, code in re.findall(comment, read(header), re.S):
            names = re.findall(r"\b(pp_[a-z0-9_]+)\(", re.sub(r"\(\*\w+\)\([^)]*\)", "", code))
            _, _, returned = text.partition("@return")
            for name in names:
                if name == "pp_params_zero" or name.endswith("_at"):  # a macro stands for it
                    continue
                errors[name] = set(re.findall(r"-(E[A-Z0-9]+)\b", returned))
                same_as[name] = re.findall(r"\bas (pp_[a-z0-9_]+)", returned)
    for _ in range(3):
        for name, others in same_as.items():
            for other in others:
                errors[name] |= errors[other]
    return errors


def on_pages():
    """Each function of the manual with the errors of the lists that its name introduces."""
    errors = {}
    for page in glob.glob("docs/man/pp_*.3"):
        text = read(page)
        functions = re.findall(r"^\.F[no] (pp_[a-z0-9_]+)", text.partition(".Sh DESCRIPTION")[0], re.M)
        for name in functions:
            errors.setdefault(name, set())
        section = re.search(r"^\.Sh ERRORS\n(.*?)(?=^\.Sh )", text, re.S | re.M)
        for intro, body in re.findall(r"(.*?)^\.Bl (.*?)^\.El", section[1] if section else "", re.S | re.M):
            intro = intro.split(".Pp\n")[-1]
            named = re.findall(r"^\.Fn (pp_[a-z0-9_]+)", intro, re.M)
            for name in functions if "All of them" in intro else named:
                errors[name] |= set(re.findall(r"^\.It Bq Er (E[A-Z0-9]+)", body, re.M))
                for more in re.findall(r"^\.It Bq Er (E[A-Z0-9]+(?: , E\w+)*)", body, re.M):
                    errors[name] |= set(re.findall(r"E[A-Z0-9]+", more))
    return errors


def differing_errors():
    code, manual = documented(), on_pages()
    for name in sorted(code):
        if name in manual and code[name] != manual[name]:
            yield (f"{name}: the header has {' '.join(sorted(code[name] - manual[name])) or 'no other'}, "
                   f"the page {' '.join(sorted(manual[name] - code[name])) or 'no other'}")


def serialised(text, prefix):
    """The table of what a caller must serialise, without what stands before each line."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if re.search(r"get +put/ref +attach", line))
    return [line[prefix:].rstrip() for line in lines[first:first + 7]]


def list_of(macro):
    """The names of an X-macro list in stats.h."""
    body = re.search(rf"#define {macro}\(X\)((?:.*\\\n)*.*)", read("include/pagepool/stats.h"))[1]
    return re.findall(r"X\((\w+),", body)


def members_of(header, struct):
    body = re.search(rf"^struct {struct} \{{\n(.*?)^\}};", read(header), re.S | re.M)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return [name for line in re.findall(r"\buint64_t ([^;]+);", body) for name in re.split(r"\s*,\s*", line)]


def unknown_counters():
    """Counters that a page names and no header has, and totals without a line."""
    counters = {c for m in ("PP_POOL_STATS", "PP_DEVICE_STATS", "PP_DOMAIN_STATS") for c in list_of(m)}
    totals = members_of("include/pagepool/pool.h", "pp_totals")
    page = read("docs/man/pp_pool_create.3")
    for name in totals:
        if f".It Va {name}\n" not in page:
            yield f"pp_pool_create(3) lacks {name} of struct pp_totals"
    words = set(re.findall(r"\w+", "".join(map(read, headers)))) | {"errno"}
    for name in glob.glob("docs/man/*.3"):
        for word in re.findall(r"^\.(?:It |Pq )?Va ([a-z_0-9]+)", read(name), re.M):
            if word not in words:
                yield f"{name}: {word} is in no header"
    page = read("docs/debugging.md")
    for macro, heading in (("PP_POOL_STATS", "pp_pool_stats"), ("PP_DEVICE_STATS", "pp_device_stats"),
                           ("PP_DOMAIN_STATS", "pp_domain_stats")):
        section = re.search(rf"^### `{heading}`\n(.*?)^### ", page, re.S | re.M)[1]
        rows = [row.split(" | ") for row in re.findall(r"^\| `.*", section, re.M)]
        # a row may give the counter that limits another one beside it
        listed = {w for row in rows for w in re.findall(r"`([a-z_]+)`", row[0] + row[1]) if w in counters or w in row[0]}
        for name in sorted(set(list_of(macro)) ^ listed):
            yield f"docs/debugging.md, {heading}: {name}"
    table = re.search(r"^### Statistics\n(.*?)^### ", read("docs/coming-from-linux.md"), re.S | re.M)[1]
    for row in re.findall(r"^\| `.*?\| (.*?) \|", table, re.M):
        for word in re.findall(r"`([a-z_]+)`", row):
            if word not in counters:
                yield f"docs/coming-from-linux.md: {word} is no counter"


def unknown_diagnostics():
    """Reports in pp_debug_set(3) that the source doesn't make."""
    source = "".join(read(f) for f in glob.glob("src/**/*.c", recursive=True))
    source = re.sub(r'"\s*"', "", source)
    for message in re.findall(r"^\.It (\w+ %.*)", read("docs/man/pp_debug_set.3"), re.M):
        if f'"{message}"' not in source:
            yield message


def wrong_words():
    """Words that the glossary has twice, or that pagepool(7) explains and it doesn't."""
    rows = re.findall(r"^\| ([a-zA-Z][^|]*?) \|", read("docs/glossary.md"), re.M)
    words = [word for row in rows if row != "word" for word in row.split(", ")]
    for word in sorted({word for word in words if words.count(word) > 1}):
        yield f"docs/glossary.md has {word} twice"
    section = re.search(r"^\.Ss Words\n(.*?)^\.El", read("docs/man/pagepool.7"), re.S | re.M)[1]
    for word in re.findall(r"^\.It (.*)", section, re.M):
        if word not in words:
            yield f"docs/glossary.md lacks {word} of pagepool(7)"


def commands(*words):
    said = subprocess.run([tool, *words, "--help"], text=True, capture_output=True, check=True).stdout
    return re.findall(r"^  ([a-z]+) ", said, re.M)


def wrong_commands():
    """Where a list of the tool's commands isn't what the tool says."""
    ours = commands()
    text = re.search(r"^\.Ss capture\n.*?(?=^\.S[hs] General)", read("docs/man/pagepool.1"), re.S | re.M)[0]
    manual = re.findall(r"^\.Ss ([a-z]+)$", text, re.M)
    lists = {"docs/man/pagepool.1": manual}
    for name in ("README.md", "docs/architecture.md"):
        text = re.search(r"^ *tool/ +the pagepool command: (.*?)(?:;|\n +[a-z]+/ )", read(name), re.S | re.M)[1]
        lists[name] = re.findall(r"[a-z]+", text)
    for name, found in lists.items():
        if sorted(set(found) | {"kernel", "top"}) != sorted(set(ours) | {"kernel", "top"}):
            yield f"{name} lists {' '.join(found)}; the command has {' '.join(ours)}"


def wrong_limits():
    """Numbers that pages give and headers define."""
    everything = "".join(read(f) for f in glob.glob("include/**/*.h", recursive=True))

    def constant(name):
        return re.search(rf"#define {name} (\d+)", everything)[1]

    cache = constant(r"PP_\w+_PAGES")
    for page, text in (("docs/man/pp_pool_create.3", f"for one more device, up to {constant('PP_POOL_DEVICES')}."),
                       ("docs/man/pp_page_get.3", f"takes up to {cache} pages that other threads have put"),
                       ("docs/coming-from-linux.md", f"the cache has {cache} entries")):
        if text not in read(page).replace("\n", " "):
            yield f"{page} doesn't say: {text}"


def wrong_walks():
    """Functions that architecture.md names and the sources don't have; in the two walks, those of
    which none is in its row's file."""
    sources = {f: read(f) for f in glob.glob("src/**/*.[ch]", recursive=True) + glob.glob("include/**/*.h", recursive=True)}
    page = read("docs/architecture.md")
    everything = "".join(sources.values())
    for name in sorted(set(re.findall(r"`([a-z_]+)\(\)`", page))):
        if not re.search(rf"\b{name}\(", everything):
            yield f"there is no {name}()"
    walks = page.partition("## Two walks\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z/]+\.[ch])` \| (.*) \|$", walks, re.M)
    if len(rows) < 15:
        yield f"{len(rows)} rows"
    for name, text in rows:
        here = "".join(code for f, code in sources.items() if f.endswith("/" + name))
        functions = re.findall(r"`([a-z_]+)\(\)`", text)
        if not here or functions and not any(re.search(rf"^[a-zA-Z].*\b{f}\(", here, re.M) for f in functions):
            yield f"{name} has none of {', '.join(functions)}"


NUMBERS = ("no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen").split()


def wrong_counts():
    """How many of something pages say there are, and how many there are."""
    table = read("tests/explore/scenarios.c").partition("scenarios[] = {")[2].partition("\n};")[0]
    threads = [len(row.split(",")) for row in re.findall(r'\{ "[a-z0-9-]+",\s*\{ ([^}]*) \}', table)]
    copies = len(re.findall(r"^breaks ", read("tests/explore/run.sh"), re.M))
    mutants = len(re.findall(r"^[a-z-]+\|", read("linux/tests/mutants"), re.M))
    only = len(re.findall(r"^[a-z-]+ 7", read("linux/series/steps"), re.M))
    examples = NUMBERS[len(glob.glob("examples/*.c"))]
    for page, text in (("docs/architecture.md", f"{len(threads)} scenarios, {threads.count(2)} with two threads and "
                        f"{threads.count(3)} with three"),
                       ("docs/architecture.md", f"breaks copies of the source in {copies} ways"),
                       ("linux/README.md", f"breaks the series in {mutants} ways"),
                       ("linux/README.md", f"{NUMBERS[only]} steps are for 7.2 only"),
                       ("docs/linux-tests.md", f"break our version in {mutants} ways"),
                       ("README.md", f"{examples} short programs"),
                       ("docs/tutorial.md", f"{examples.capitalize()} programs"),
                       ("examples/README.md", f"{examples.capitalize()} programs"),
                       ("CHANGELOG.md", f"{examples} examples in order")):
        if text not in " ".join(read(page).split()):
            yield f"{page} doesn't say: {text}"
    for name, lines in re.findall(r"\(\.\./(examples/\S+)\) \| (\d+) \|", read("docs/net.md")):
        if read(name).count("\n") != int(lines):
            yield f"docs/net.md: {name} hasn't {lines} lines"


def wrong_versions():
    """The version and the libraries' number, where they are repeated."""
    build = read("meson.build")
    version, so = re.search(r"\n  version : '(.*?)'", build)[1], re.search(r"^soversion = '(\d+)'", build, re.M)[1]
    for page, text in (("CHANGELOG.md", f"\n## {version}"), ("debian/changelog", f"pagepool ({version})"),
                       ("docs/telemetry.md", f'"version":"{version}"'), ("include/pagepool/pagepool.h", f'"{version}"'),
                       ("docs/releasing.md", f"v{version}"), ("debian/control", f"libpagepool{so} "),
                       ("CHANGELOG.md", f"have the number {so}:")):
        if text not in read(page):
            yield f"{page} doesn't say: {text.strip()}"
    for name in ("", "-net", "-telemetry"):
        if not os.path.exists(f"debian/libpagepool{name}{so}.symbols"):
            yield f"there is no debian/libpagepool{name}{so}.symbols"


def wrong_maintainers():
    """Folders that nobody looks after, files and targets in MAINTAINERS that aren't there."""
    text, makefile = read("MAINTAINERS"), read("Makefile")
    files = " ".join(re.findall(r"^F:\t(.*)", text, re.M)).split()
    tracked = subprocess.run(["git", "ls-files"], text=True, capture_output=True, check=False).stdout.split()
    for name in files:
        if not os.path.exists(name):
            yield f"{name} is not in the tree"
    for folder in sorted({re.match(r"(tests/)?[^/]+/", f)[0] for f in tracked if re.match(r"(tests/)?[^/]+/", f)}):
        if not any(f.startswith(folder) or folder.startswith(f) for f in files):
            yield f"nobody looks after {folder}"
    for target in re.findall(r"\bmake ([a-z-]+)", " ".join(re.findall(r"^T:\t(.*)", text, re.M))):
        if not re.search(rf"^{target}:", makefile, re.M):
            yield f"there is no make {target}"


code = documented()
none("errors were found", [] if sum(map(len, code.values())) > 150 else [str(code)])
none("a function's errors are the same in its header and on its page", list(differing_errors()))
none("... and so is the table of what a caller must serialise",
     [] if serialised(read("include/pagepool/pool.h"), 5) == serialised(read("docs/man/pp_pool_create.3"), 0)
     else ["include/pagepool/pool.h and docs/man/pp_pool_create.3 differ"])
none("every counter that a page names is counted, every total has its line", list(unknown_counters()))
none("the source makes the reports of pp_debug_set(3)", list(unknown_diagnostics()))
none("the glossary has each word once, and those of pagepool(7)", list(wrong_words()))
none("limits are those of the headers", list(wrong_limits()))
none("the functions that architecture.md names are there, and where its walks say", list(wrong_walks()))
none("there are as many as the pages say", list(wrong_counts()))
none("the version is the same wherever it is", list(wrong_versions()))
none("MAINTAINERS has every folder, and nothing else", list(wrong_maintainers()))
if tool:
    none("the command's commands are those of its manual and of the pages", list(wrong_commands()))
end()
