"""shared.py - what facts.py, pages.py and tutorial.py share: TAP, as tests/tap.sh prints it, and
reading a file."""
import sys

n, failed = 0, False


def ok(good, what, said=""):
    """A test; said: what is printed below one that fails."""
    global n, failed
    n += 1
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {n} - {what}")
    if not good:
        print("".join(f"# {line}\n" for line in said.splitlines()), end="")


def none(what, bad):
    ok(not bad, what, "\n".join(bad))


def end():
    print(f"1..{n}")
    sys.exit(failed)


def read(name):
    with open(name, encoding="utf-8") as f:
        return f.read()
