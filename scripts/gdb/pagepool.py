"""pagepool.py - gdb commands that show the pools of a live process or of a core: which there are,
what they are made of, who holds their pages. It reads memory only, takes no lock and calls nothing
in the process, so a pool that a thread was changing at that moment may be shown half changed. It
needs the library's debugging information.

  (gdb) source pagepool.py
  (gdb) pagepool pools
  (gdb) pagepool pool 3            its caches and chunks
  (gdb) pagepool holders [3]       who holds pages, of all pools or of one
  (gdb) pagepool page EXPRESSION   what is known of a page: a struct pp_page *, or an address in it

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import collections

import gdb

POOLS = "'owner.c'::anchors.registry"  # the list of all pools


def number(value):
    return int(value.cast(gdb.lookup_type("unsigned long long")))


def text(value):
    return value.string(errors="replace")


def offset(type_, member):
    return next(f.bitpos // 8 for f in type_.fields() if f.name == member)


def listed(head, type_, member):
    """The entries of a struct list, each of a type that has the link in a member."""
    byte, skip = gdb.lookup_type("char").pointer(), offset(type_, member)
    link = head["next"]
    while link != head.address:
        yield (link.cast(byte) - skip).cast(type_.pointer()).dereference()
        link = link.dereference()["next"]


def words(address, n):
    """n words of 64 bits of the process's memory."""
    data = gdb.selected_inferior().read_memory(address, 8 * n).tobytes()
    order = "big" if "big" in gdb.execute("show endian", to_string=True) else "little"
    return [int.from_bytes(data[i:i + 8], order) for i in range(0, 8 * n, 8)]


def pools():
    try:
        head = gdb.parse_and_eval(POOLS)
    except gdb.error as error:
        raise gdb.GdbError(f"The library, or its debugging information, isn't there: {error}")
    return list(listed(head, gdb.lookup_type("struct pp_pool"), "registry"))


def pool_of(argument):
    for pool in pools():
        if argument in (str(number(pool["id"])), text(pool["name"])):
            return pool
    raise gdb.GdbError(f"There is no pool {argument}; `pagepool pools` lists them.")


def chunks(pool):
    """Of a pool, in the order of their memory; those that are trimmed already are not among them."""
    found = []
    for span in listed(pool["spans"], gdb.lookup_type("struct span"), "link"):
        live = number(span["live"])
        found += [span["chunk"][i].dereference() for i in range(number(span["n"])) if live >> i & 1]
    return sorted(found, key=lambda chunk: number(chunk["addr"]))


def block_pages():
    return gdb.lookup_type("struct pp_block")["page"].type.range()[1] + 1


def page_of(chunk, i):
    """The i-th page of a chunk: its state word."""
    return chunk["block"][i // block_pages()]["page"][i % block_pages()]


def iova_of(chunk, i):
    block = chunk["block"][i // block_pages()]
    word = number(page_of(chunk, i).address) - number(block.address)
    return number(block["iova"]) + (word << number(block["page_shift"])) & 2 ** 64 - 1


def place_of(chunk, at):
    """Which of a chunk's pages has its state word or its memory at an address; None: no one has."""
    n, size = number(chunk["n_pages"]), number(chunk["pool"]["page_size"])
    if 0 <= at - number(chunk["addr"]) < n * size:
        return (at - number(chunk["addr"])) // size
    block = (at - number(chunk["block"])) // gdb.lookup_type("struct pp_block").sizeof
    if not 0 <= block * block_pages() < n:
        return None
    i = block * block_pages() + (at - number(chunk["block"][block]["page"].address)) // 8
    return i if 0 <= i < n and number(page_of(chunk, i).address) <= at else None


def in_chunk(chunk):
    """A bit for each page whose free bit is set."""
    n = (number(chunk["n_pages"]) + 63) // 64
    return sum(word << 64 * i for i, word in enumerate(words(number(chunk["free_bits"]), n)))


def in_cache(pool):
    anchor = pool["anchors"]
    while anchor:
        n = number(anchor["pushed"]) - number(anchor["popped"])
        yield from words(number(anchor["slot"].address), n) if n > 0 else []
        anchor = anchor["next"]


def in_remote_frees(pool):
    """What other threads have put, and the owner not taken yet."""
    made = number(pool["spsc_made"])
    own = [pool["spsc"][i].dereference() for i in range(made.bit_length()) if made >> i & 1]
    for ring in [*own, pool["mpsc"]]:
        slots = ring["slot"]
        yield from words(number(slots.address), slots.type.sizeof // 8)


def state_of(pool):
    state = str(pool["state"]).removeprefix("POOL_").lower()
    return {"live": "alive", "revoking": "revoked", "zombie": "revoked"}.get(state, state)


class Contents:
    """Where each page of a pool is."""

    def __init__(self, pool):
        self.pool = pool
        self.chunks = chunks(pool)
        self.cached = {page for page in in_cache(pool) if page}
        self.remote = {page for page in in_remote_frees(pool) if page}
        self.home = [in_chunk(chunk) for chunk in self.chunks]
        self.n_pages = sum(number(chunk["n_pages"]) for chunk in self.chunks)
        self.n_home = sum(bin(bits).count("1") for bits in self.home)

    def in_flight(self):
        return self.n_pages - self.n_home - len(self.cached) - len(self.remote)

    def held(self):
        """Each page in flight, with its chunk."""
        for chunk, home in zip(self.chunks, self.home):
            for i in range(number(chunk["n_pages"])):
                page = number(page_of(chunk, i).address)
                if not home >> i & 1 and page not in self.cached and page not in self.remote:
                    yield i, chunk


def caller(address):
    """Where a page was got: file and line, or the function that pp_page_get is inlined into."""
    if not address:
        return "an unknown place"
    where = gdb.find_pc_line(address - 1)
    block = gdb.block_for_pc(address - 1)
    while block and (not block.function or block.function.name.startswith("pp_")):
        block = block.superblock
    if block and where.symtab and where.symtab.filename != block.function.symtab.filename:
        return f"{block.function.name} ({block.function.symtab.filename})"
    if where.symtab:
        return f"{where.symtab.filename}:{where.line}"
    return gdb.execute(f"info symbol {address - 1}", to_string=True).split(" in section")[0].strip()


def holder(i, chunk):
    """Who holds a page, as far as is known: debug mode `pages` notes it."""
    if not chunk["holder"]:
        return "not known: the pool was made without PAGEPOOL_DEBUG=pages"
    note = chunk["holder"][i]
    said = f"got at {caller(number(note['caller']))} by thread {number(note['thread'])}"
    return said + (f", tagged {text(note['tag'])}" if note["tag"] else "")


class Pagepool(gdb.Command):
    """Show the pools of a process that uses libpagepool: pools, pool, holders, page."""

    def __init__(self):
        super().__init__("pagepool", gdb.COMMAND_DATA, prefix=True)


class Pools(gdb.Command):
    """List all pools: pagepool pools"""

    def __init__(self):
        super().__init__("pagepool pools", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        print(f"{'POOL':<6} {'STATE':<10} {'CHUNKS':>7} {'PAGES':>9} {'IN FLIGHT':>9}  NAME")
        for pool in pools():
            c = Contents(pool)
            print(f"{number(pool['id']):<6} {state_of(pool):<10} {len(c.chunks):>7} {c.n_pages:>9} "
                  f"{c.in_flight():>9}  {text(pool['label'])}")


class Pool(gdb.Command):
    """Show where the pages of a pool are, by its number or name: pagepool pool POOL"""

    def __init__(self):
        super().__init__("pagepool pool", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        pool = pool_of(argument)
        c = Contents(pool)
        print(f"pool {text(pool['label'])}: {state_of(pool)}, pages of {number(pool['page_size'])} bytes")
        print(f"  {c.in_flight()} in flight, {len(c.cached)} in the owner's cache, {len(c.remote)} put by "
              f"other threads, {c.n_home} in the chunks")
        for chunk, home in zip(c.chunks, c.home):
            n = number(chunk["n_pages"])
            print(f"  chunk {number(chunk['addr']):#x}, DMA address {iova_of(chunk, 0):#x}: "
                  f"{bin(home).count('1')} of {n} pages home")


class Holders(gdb.Command):
    """Group pages in flight by holder: pagepool holders [POOL]"""

    def __init__(self):
        super().__init__("pagepool holders", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for pool in [pool_of(argument)] if argument else pools():
            found = collections.Counter(holder(i, chunk) for i, chunk in Contents(pool).held())
            print(f"pool {text(pool['label'])}: {sum(found.values())} pages in flight")
            for who, n in found.most_common():
                print(f"  {n:>7}  {who}")


class Page(gdb.Command):
    """Show what is known of a page: pagepool page EXPRESSION"""

    def __init__(self):
        super().__init__("pagepool page", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        at = number(gdb.parse_and_eval(argument))
        for pool in pools():
            c = Contents(pool)
            for chunk, home in zip(c.chunks, c.home):
                i = place_of(chunk, at)
                if i is not None:
                    self.show(c, chunk, home, i)
                    return
        raise gdb.GdbError(f"{at:#x} is in no page of a pool.")

    def show(self, c, chunk, home, i):
        page = page_of(chunk, i)
        at = number(page.address)
        addr = number(chunk["addr"]) + i * number(c.pool["page_size"])
        print(f"page {addr:#x} of pool {text(c.pool['label'])}, DMA address {iova_of(chunk, i):#x}")
        if home >> i & 1 or at in c.cached or at in c.remote:
            where = "in its chunk" if home >> i & 1 else "in the owner's cache" if at in c.cached else "put by another thread"
            print(f"  free: {where}")
        else:
            print(f"  {number(page['state']) >> 32} references; holder {holder(i, chunk)}")


for command in (Pagepool, Pools, Pool, Holders, Page):
    command()
