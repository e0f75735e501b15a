/*
 * reference.h - what pagepool must do, in the plainest way: tables of what exists, and for each
 * call what it changes there. No lock, no cache, no chunk, no protocol: it knows pages, not where
 * they come from.
 *
 * It is written from the public headers, and must never look into src/.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include <pagepool/pagepool.h>

#define DEVICES 4
#define DRIVERS 3
#define BINDINGS 64 /* begun in one input, all devices together */
#define POOLS 8
#define ATTACHMENTS 16 /* of one pool */
#define MAPPINGS 24
#define BUFFERS 4
#define BUFFER_BYTES (4 * 4096)
#define PAGES 2600
#define LISTENERS 2
#define RECALLS 3
#define NONE (-1)
#define GETTERS 8
#define NOBODY (-2)       /* the owner of a pool, when that thread has ended */
#define NEVER_SYNCED 0xDB /* what an incoherent device sees of memory before any sync */

struct ref_device {
	bool there;
	unsigned serial; /* which of all devices that ever were: one place serves many */
	unsigned bits;
	struct pp_iova_range range[PP_IOMMU_RANGES]; /* that its domain can use */
	unsigned n_ranges;
	bool incoherent, deferred;
	enum pp_device_state state;
	int binding, driver; /* or NONE */
	int busy;            /* the thread that is in one of its lifecycle calls, or NONE */
	void *data;
	uint64_t bindings, late, forgotten, in_flight_at_unbind;
	uint64_t reads, writes, faults;
	enum pp_event event[8]; /* that listeners are to hear of, in this order */
	unsigned n_events;
};

struct ref_binding {
	pp_binding_t name;
	int device;
	unsigned serial;  /* the device's */
	bool alive, open; /* open: takes new mappings, pools, growth */
	bool checked;     /* sync looks at its arguments */
	unsigned mask;
};

struct ref_driver {
	int order; /* of registration, from 1; 0: not registered */
	bool matches;
	unsigned accepts; /* a bit for each place of a device */
};

struct ref_pool {
	bool there; /* handle or pages in flight */
	bool handle, revoked, watched;
	struct pp_pool_params params;
	char name[32];
	int at[ATTACHMENTS]; /* bindings, or NONE */
	int owner;
	int open; /* the page that fragments are cut from, or NONE */
	uint64_t reserved;
	uint64_t in_flight, in_flight_at_revoke, peak;
	uint64_t gets, puts_owner, puts_other;
	bool shared;      /* it has or had a getter */
	unsigned refused; /* growths in a row for which the system may not have been asked */
};

/* Of a thread, in a pool whose handle is there. */
struct ref_getter {
	bool there;
	int pool, thread;
};

struct ref_page {
	struct pp_page *real;
	uint8_t *addr;
	pp_iova_t iova;
	int pool;
	uint32_t held; /* references that are out; the pool's own on an open page don't count */
	bool open;
	/*
	 * Of an open page: fragments until it is used up, if none is shorter than `unit`; 0: for
	 * ever
	 */
	uint32_t stock, unit;
	uint64_t stamp;         /* its first and last 8 bytes */
	uint8_t *copy;          /* all of it, once more was written; else NULL */
	uint8_t *view[DEVICES]; /* as an incoherent device sees it; NULL: not known */
	uint8_t *cut;           /* of a page of fragments: bytes that were given out */
};

struct ref_mapping {
	bool there;
	bool ended; /* unmapped with its binding; the memory is readable a little longer */
	bool coherent;
	int binding;
	enum pp_dma_dir dir;
	pp_iova_t iova;
	size_t len;
	uint8_t *cpu;  /* the memory */
	uint8_t *copy; /* what must be in it */
	uint8_t *view; /* of the whole base pages, as an incoherent device sees them, or NULL */
};

struct reference {
	struct ref_device device[DEVICES];
	struct ref_binding binding[BINDINGS];
	struct ref_driver driver[DRIVERS];
	struct ref_pool pool[POOLS];
	struct ref_page page[PAGES];
	struct ref_mapping mapping[MAPPINGS];
	struct ref_getter getter[GETTERS];
	int n_bindings, n_pages, n_registered, serial;
	int listener_order[LISTENERS]; /* from 1; 0: not registered */
	int recall_pool[RECALLS];      /* or NONE: not registered; -2: for a pool that is gone */
	unsigned recall_due[RECALLS];  /* how often it must be asked before this call ends */
	unsigned debug;
	unsigned faults; /* calls in which something was made to fail */
	bool lost;       /* a back end lost count: what it had may never go back, and is told */
	bool unsynced; /* an incoherent device has written: when it is told that nobody synced is open */
};
extern struct reference ref;

void ref_reset(void);

/* ---- devices and bindings ------------------------------------------------------------ */

/* The driver that a bind takes, asked for or found (NONE), or an errno. */
int ref_bind(int device, int asked, int thread);
int ref_unbind(int device, int thread);
int ref_remove(int device, int thread);
int ref_driver_unregister(int driver, int thread);
/* A binding has begun. Returns its number. */
int ref_begin(int device, int driver, pp_binding_t name);
/* It takes nothing new any more. */
void ref_close(int binding);
/* Everything of it ends; `gone`: of a device that went by surprise. */
void ref_end(int binding, bool gone);
/* The driver's callback is over, and the device free again. */
void ref_ended(int device);
/* A call through a binding (NONE: one that never was). `fresh`: it wants something new. */
int ref_enter(int binding, bool fresh);
/* Listeners are going to hear of it. */
void ref_event(int device, enum pp_event event);

/* ---- pools and pages ------------------------------------------------------------------- */

int ref_check_params(const struct pp_pool_params *p);
int ref_pool_new(const struct pp_pool_params *p, const char *name, int thread);
int ref_attach(int pool, int binding);
int ref_detach(int pool, int binding);
void ref_destroy(int pool);
int ref_attachment(const struct ref_pool *p, int binding);
/* The first of its bindings that is ending, or NONE: then the pool can't grow. */
int ref_ending(const struct ref_pool *p);
/* The same, if there is no other that isn't ending; or NONE. */
int ref_all_ending(const struct ref_pool *p);
/* Pages that can still be had. */
uint64_t ref_available(const struct ref_pool *p);
struct ref_page *ref_page_find(const struct pp_page *real);
struct ref_page *ref_page_new(int pool, struct pp_page *real);
void ref_getters_end(int thread); /* with the thread */
/* Drop a reference. True: the page went home, and the record is gone. */
bool ref_put(struct ref_page *page, int thread);
/* A fragment of the open page was got: if it was the last, the page is used up. */
void ref_frag_cut(struct ref_page *page, bool first, uint32_t len, uint32_t align);
/* The pool lets go of the page that it cuts fragments from. */
void ref_frag_close(int pool, int thread);
/* Chunks that hold pages in flight: that many a zombie pool has. */
uint64_t ref_chunks(int pool);
/* Bytes of memory that a pool with so many chunks has. */
uint64_t ref_bytes(int pool, uint64_t chunks);

/* ---- memory ------------------------------------------------------------------------------ */

int ref_sync(const struct ref_mapping *m, pp_iova_t iova, size_t len, enum pp_dma_dir dir,
	     bool for_cpu);
int ref_sync_dir(enum pp_dma_dir mapped, enum pp_dma_dir dir, bool for_cpu);
bool ref_may(enum pp_dma_dir dir, bool write);
unsigned ref_bits(int binding);
void ref_unmap(struct ref_mapping *m, bool ended);
size_t ref_whole(const struct ref_mapping *m);
/* Can a device be given these addresses in a binding: by its width, mask and ranges? */
bool ref_reaches(int binding, pp_iova_t iova, uint64_t len);
/* Is none of it in a window: out of use for all, because some device can't use it? */
bool ref_outside_windows(pp_iova_t iova, uint64_t len);
/*
 * Bytes of IOVA space, used or not, in which something for these n bindings can lie. ROOMY: so
 * much that what an input can have mapped doesn't matter.
 */
uint64_t ref_room(const int *bindings, unsigned n);
#define ROOMY (2ull << 30)
/* The same for what a pool grows by: of the bindings that aren't ending. */
uint64_t ref_pool_room(const struct ref_pool *p);
/* Is it certain that nothing that the device can reach lies there? */
bool ref_nothing_at(int device, pp_iova_t iova);

#endif
