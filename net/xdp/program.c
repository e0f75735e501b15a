/*
 * program.c - the XDP program of an interface, assembled here from instructions, because what it
 * can do depends on the kernel. See program.h.
 *
 *   no socket for the packet's queue: pass it to the stack, untouched
 *   make room for a word before the packet; none: count that, and redirect
 *   the time, the VLAN tag (the driver's, by a kernel function), the sk_buff's checksum (veth)
 *   redirect
 *
 * A veth pair hands over sk_buffs whose checksum may be left to a device that doesn't exist. Its
 * driver keeps the sk_buff behind the packet's xdp_buff; the kernel's type information (BTF) has
 * the offsets.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "program.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "umem.h"

/* Newer than the headers of some systems. */
#define DEV_BOUND_ONLY (1u << 6) /* BPF_F_XDP_DEV_BOUND_ONLY, Linux 6.3 */
#define TAKES_FRAGS (1u << 5)    /* BPF_F_XDP_HAS_FRAGS, Linux 5.18 */
#define HELPER_TAI 208           /* bpf_ktime_get_tai_ns, Linux 6.1 */
#define CSUM_PARTIAL 3           /* CHECKSUM_PARTIAL of the kernel */
#define MMAPABLE (1u << 10)      /* BPF_F_MMAPABLE */

/* ---- where the kernel has what ------------------------------------------------------------- */

/* A field: of whole bytes, or some bits of one byte. */
struct field {
	uint32_t at;  /* bytes from the structure's beginning */
	uint8_t mask; /* of bits; 0: whole bytes */
	uint8_t shift;
	bool known;
};

static struct kernel {
	/* BTF's numbers of functions and a structure; 0 or less: there is none */
	int vlan_tag, context, cast, pointer;
	struct field skb; /* in struct veth_xdp_buff */
	struct field head, data, csum_start, csum_offset, ip_summed, not_inet; /* in sk_buff */
} kernel;
static pthread_once_t looked = PTHREAD_ONCE_INIT;

/* A member of a structure, also of those without a name in it. */
static bool find_member(const struct btf *btf, int type, const char *name, uint32_t base,
			struct field *f)
{
	const struct btf_type *t = btf__type_by_id(btf, (uint32_t)type);

	for (uint32_t i = 0; t && btf_is_composite(t) && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];
		uint32_t at = base + btf_member_bit_offset(t, i),
			 bits = btf_member_bitfield_size(t, i);
		const char *its = btf__name_by_offset(btf, m->name_off);

		if (*its && !strcmp(its, name)) {
			f->known = bits < 8 && (bits || !(at % 8)) && at % 8 + bits <= 8;
			f->at = at / 8;
			f->shift = (uint8_t)(at % 8);
			f->mask = (uint8_t)(((1u << bits) - 1) << f->shift);
			return f->known;
		}
		if (!*its && find_member(btf, (int)m->type, name, at, f))
			return true;
	}
	return false;
}

static void find_in(const struct btf *btf, const char *structure, const char *name, struct field *f)
{
	int type = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);

	if (type > 0)
		find_member(btf, type, name, 0, f);
}

static void look_at_kernel(void)
{
	struct btf *base = btf__load_vmlinux_btf(), *module = NULL;

	if (!base)
		return;
	kernel.vlan_tag =
		btf__find_by_name_kind(base, "bpf_xdp_metadata_rx_vlan_tag", BTF_KIND_FUNC);
	kernel.context = btf__find_by_name_kind(base, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC);
	kernel.cast = btf__find_by_name_kind(base, "bpf_rdonly_cast", BTF_KIND_FUNC);
	/* it begins with a pointer to an sk_buff, as what lies behind an xdp_buff does */
	kernel.pointer = btf__find_by_name_kind(base, "sk_buff_head", BTF_KIND_STRUCT);
	find_in(base, "sk_buff", "head", &kernel.head);
	find_in(base, "sk_buff", "data", &kernel.data);
	find_in(base, "sk_buff", "csum_start", &kernel.csum_start);
	find_in(base, "sk_buff", "csum_offset", &kernel.csum_offset);
	find_in(base, "sk_buff", "ip_summed", &kernel.ip_summed);
	find_in(base, "sk_buff", "csum_not_inet", &kernel.not_inet);
	find_in(base, "veth_xdp_buff", "skb", &kernel.skb);
	if (!kernel.skb.known)
		module = btf__load_module_btf("veth", base);
	if (module)
		find_in(module, "veth_xdp_buff", "skb", &kernel.skb);
	btf__free(module);
	btf__free(base);
}

static bool knows_sums(void)
{
	return kernel.context > 0 && kernel.cast > 0 && kernel.pointer > 0 && kernel.skb.known &&
	       kernel.head.known && kernel.data.known && kernel.csum_start.known &&
	       kernel.csum_offset.known && kernel.ip_summed.known && kernel.ip_summed.mask;
}

/* ---- instructions --------------------------------------------------------------------------- */

#define MOST 128

struct code {
	struct bpf_insn insn[MOST];
	unsigned n;
	unsigned to_end[16], n_to_end; /* jumps to the part's end, not known yet */
};

static void put(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	c->insn[c->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = off, .imm = imm
	};
}

static void move(struct code *c, uint8_t dst, uint8_t src)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set(struct code *c, uint8_t dst, int32_t value)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static void add(struct code *c, uint8_t dst, int32_t value)
{
	put(c, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, value);
}

static void load(struct code *c, uint8_t size, uint8_t dst, uint8_t src, int off)
{
	put(c, BPF_LDX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

static void store(struct code *c, uint8_t size, uint8_t dst, int off, uint8_t src)
{
	put(c, BPF_STX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

static void call(struct code *c, int helper)
{
	put(c, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* A map, or (kind BPF_PSEUDO_MAP_VALUE) the one value that it has. */
static void load_map(struct code *c, uint8_t dst, uint8_t kind, int fd)
{
	put(c, BPF_LD | BPF_DW | BPF_IMM, dst, kind, 0, fd);
	put(c, 0, 0, 0, 0, 0);
}

/* Leave the part if the comparison holds. */
static void leave_if(struct code *c, uint8_t op, uint8_t dst, int32_t value)
{
	c->to_end[c->n_to_end++] = c->n;
	put(c, BPF_JMP | op | BPF_K, dst, 0, 0, value);
}

/* Here the part ends. */
static void part_ends(struct code *c)
{
	while (c->n_to_end) {
		unsigned from = c->to_end[--c->n_to_end];

		c->insn[from].off = (int16_t)(c->n - from - 1);
	}
}

/* ---- the program's parts ----------------------------------------------------------------- */

/*
 * R6: the context. R7: the sk_buff, 0 if there is none. R8: flags of the word. R9: the time.
 * The stack: the queue's number at -8; the word's last two fields, together, at -16; tag and type
 * at -24.
 */
enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK };
#define QUEUE (-8)
#define SUMS (-16)
#define TAG (-24)
#define TPID (-22)

/* return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS); */
static void redirect(struct code *c, const struct xdp_program *p)
{
	load(c, BPF_W, R2, R6, offsetof(struct xdp_md, rx_queue_index));
	load_map(c, R1, BPF_PSEUDO_MAP_FD, p->sockets);
	set(c, R3, XDP_PASS);
	call(c, BPF_FUNC_redirect_map);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* A packet that no socket is for goes to the stack as it is: a word would keep it from GRO. */
static void pass_others(struct code *c, const struct xdp_program *p)
{
	load(c, BPF_W, R1, R6, offsetof(struct xdp_md, rx_queue_index));
	store(c, BPF_W, STACK, QUEUE, R1);
	load_map(c, R1, BPF_PSEUDO_MAP_FD, p->sockets);
	move(c, R2, STACK);
	add(c, R2, QUEUE);
	call(c, BPF_FUNC_map_lookup_elem);
	leave_if(c, BPF_JNE, R0, 0);
	set(c, R0, XDP_PASS);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	part_ends(c);
}

static void make_room(struct code *c, const struct xdp_program *p)
{
	move(c, R1, R6);
	set(c, R2, -(int32_t)sizeof(struct xdp_word));
	call(c, BPF_FUNC_xdp_adjust_meta);
	leave_if(c, BPF_JEQ, R0, 0);
	load_map(c, R1, BPF_PSEUDO_MAP_VALUE, p->counts);
	set(c, R2, 1);
	put(c, BPF_STX | BPF_ATOMIC | BPF_DW, R1, R2, 0, BPF_ADD);
	redirect(c, p);
	part_ends(c);
}

static void take_time(struct code *c, bool tai)
{
	call(c, tai ? HELPER_TAI : BPF_FUNC_ktime_get_ns);
	move(c, R9, R0);
	set(c, R8, 0);
	set(c, R1, 0);
	store(c, BPF_DW, STACK, SUMS, R1);
	store(c, BPF_DW, STACK, TAG, R1);
}

/* if (!bpf_xdp_metadata_rx_vlan_tag(ctx, &tpid, &tci)) flags |= VLAN; */
static void ask_tag(struct code *c)
{
	move(c, R1, R6);
	move(c, R2, STACK);
	add(c, R2, TPID);
	move(c, R3, STACK);
	add(c, R3, TAG);
	put(c, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, kernel.vlan_tag);
	put(c, BPF_ALU64 | BPF_LSH | BPF_K, R0, 0, 0, 32); /* it returns an int */
	put(c, BPF_JMP | BPF_JNE | BPF_K, R0, 0, 1, 0);
	put(c, BPF_ALU64 | BPF_OR | BPF_K, R8, 0, 0, XDP_WORD_VLAN);
}

/* R7 = ((struct veth_xdp_buff *)ctx)->skb; the part is left if there is none */
static void find_skb(struct code *c)
{
	move(c, R1, R6);
	put(c, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, kernel.context);
	move(c, R1, R0);
	add(c, R1, (int32_t)kernel.skb.at);
	set(c, R2, kernel.pointer);
	put(c, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, kernel.cast);
	load(c, BPF_DW, R7, R0, 0);
	leave_if(c, BPF_JEQ, R7, 0);
}

/*
 * if (skb->ip_summed == CHECKSUM_PARTIAL) flags |= PARTIAL, and where the sum begins:
 * skb->csum_start is from skb->head, the packet begins at skb->data.
 */
static void ask_sums(struct code *c)
{
	load(c, BPF_B, R1, R7, (int)kernel.ip_summed.at);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, R1, 0, 0, kernel.ip_summed.mask);
	leave_if(c, BPF_JNE, R1, CSUM_PARTIAL << kernel.ip_summed.shift);
	load(c, BPF_DW, R1, R7, (int)kernel.data.at);
	load(c, BPF_DW, R2, R7, (int)kernel.head.at);
	put(c, BPF_ALU64 | BPF_SUB | BPF_X, R1, R2, 0, 0);
	load(c, BPF_H, R2, R7, (int)kernel.csum_start.at);
	put(c, BPF_ALU64 | BPF_SUB | BPF_X, R2, R1, 0, 0);
	store(c, BPF_H, STACK, SUMS, R2);
	load(c, BPF_H, R2, R7, (int)kernel.csum_offset.at);
	store(c, BPF_H, STACK, SUMS + 2, R2);
	put(c, BPF_ALU64 | BPF_OR | BPF_K, R8, 0, 0, XDP_WORD_PARTIAL);
	if (kernel.not_inet.known && kernel.not_inet.mask) {
		load(c, BPF_B, R1, R7, (int)kernel.not_inet.at);
		put(c, BPF_ALU64 | BPF_AND | BPF_K, R1, 0, 0, kernel.not_inet.mask);
		leave_if(c, BPF_JEQ, R1, 0);
		put(c, BPF_ALU64 | BPF_OR | BPF_K, R8, 0, 0, XDP_WORD_CRC);
	}
}

/* What lies beside the packet. veth has it for packets of an sk_buff only. */
static void ask(struct code *c, const struct xdp_program_wish *w)
{
	if (w->veth)
		find_skb(c);
	if (w->bound_to)
		ask_tag(c);
	if (w->veth)
		ask_sums(c);
	part_ends(c);
}

static void write_word(struct code *c)
{
	load(c, BPF_W, R1, R6, offsetof(struct xdp_md, data_meta));
	load(c, BPF_W, R2, R6, offsetof(struct xdp_md, data));
	move(c, R3, R1);
	add(c, R3, sizeof(struct xdp_word));
	c->to_end[c->n_to_end++] = c->n;
	put(c, BPF_JMP | BPF_JGT | BPF_X, R3, R2, 0, 0); /* never: for the verifier */
	store(c, BPF_DW, R1, offsetof(struct xdp_word, time), R9);
	store(c, BPF_W, R1, offsetof(struct xdp_word, flags), R8);
	load(c, BPF_W, R2, STACK, TAG);
	store(c, BPF_W, R1, offsetof(struct xdp_word, tci), R2);
	load(c, BPF_W, R2, STACK, SUMS);
	store(c, BPF_W, R1, offsetof(struct xdp_word, csum_start), R2);
	part_ends(c);
}

/* ---- loading ----------------------------------------------------------------------------- */

int xdp_program_open(struct xdp_program *p, unsigned queues, char *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = MMAPABLE);
	void *at;

	*p = (struct xdp_program){ .fd = -1, .sockets = -1, .counts = -1 };
	p->sockets = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "pagepool_xsk", sizeof(uint32_t),
				    sizeof(uint32_t), queues, NULL);
	if (p->sockets >= 0)
		p->counts = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pagepool_count", sizeof(uint32_t),
					   sizeof(uint64_t), 1, &options);
	if (p->counts >= 0) {
		at = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, p->counts, 0);
		p->wordless = at == MAP_FAILED ? NULL : at;
	}
	if (p->wordless)
		return 0;
	if (errno == EPERM)
		return xdp_fail(error, -EPERM,
				"an XDP program needs CAP_NET_ADMIN and "
				"CAP_BPF, and AF_XDP sockets CAP_NET_RAW: run this as root");
	return xdp_fail(error, -errno, "can't make the maps of an XDP program: %s",
			strerror(errno));
}

static void assemble(struct code *c, const struct xdp_program *p, const struct xdp_program_wish *w)
{
	move(c, R6, R1);
	pass_others(c, p);
	make_room(c, p);
	take_time(c, w->tai);
	ask(c, w);
	write_word(c);
	redirect(c, p);
}

int xdp_program_load(struct xdp_program *p, const struct xdp_program_wish *w, char *error)
{
	char log[2048] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, options, .log_buf = log, .log_size = sizeof log);
	bool asks = w->bound_to || w->veth || w->tai || w->pieces;
	struct code c = { 0 };

	pthread_once(&looked, look_at_kernel);
	if ((w->bound_to && kernel.vlan_tag <= 0) || (w->veth && !knows_sums()))
		return -EOPNOTSUPP;
	if (p->fd >= 0)
		close(p->fd);
	options.prog_flags = w->pieces ? TAKES_FRAGS : 0;
	if (w->bound_to) {
		options.prog_ifindex = w->bound_to;
		options.prog_flags |= DEV_BOUND_ONLY;
	}
	assemble(&c, p, w);
	p->fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pagepool", "Dual BSD/GPL", c.insn, c.n, &options);
	p->tai = w->tai;
	p->tags = w->bound_to;
	p->sums = w->veth;
	p->wish = *w;
	if (p->fd >= 0)
		return 0;
	if (asks)
		return -EOPNOTSUPP; /* whatever it minds: a simpler one may do */
	if (errno == EPERM)
		return xdp_fail(error, -EPERM,
				"an XDP program needs CAP_NET_ADMIN and "
				"CAP_BPF, and AF_XDP sockets CAP_NET_RAW: run this as root");
	return xdp_fail(error, -errno, "can't load an XDP program: %s%s%s", strerror(errno),
			*log ? ": " : "", log);
}

int xdp_program_again(const struct xdp_program *p)
{
	struct xdp_program again = *p;
	char error[XDP_ERROR];
	int ret;

	again.fd = -1;
	ret = xdp_program_load(&again, &p->wish, error);
	return ret ? ret : again.fd;
}

void xdp_program_close(struct xdp_program *p)
{
	if (p->wordless)
		munmap((void *)p->wordless, (size_t)sysconf(_SC_PAGESIZE));
	for (unsigned i = 0; i < 3; i++) {
		int *fd = i == 0 ? &p->fd : i == 1 ? &p->sockets : &p->counts;

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	p->wordless = NULL;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t xdp_program_epoch(const struct xdp_program *p)
{
	uint64_t now = clock_ns(CLOCK_REALTIME);

	if (!p->tai)
		return now - clock_ns(CLOCK_MONOTONIC);
	/* whole seconds, and not the time between the two looks */
	return (uint64_t) -
	       (((int64_t)(clock_ns(CLOCK_TAI) - now) + 500000000) / 1000000000 * 1000000000);
}
