/*
 * thread.c - env.h for Linux user space: threads, their locks, their cancellation and exit, and the
 * exit of the process. May touch the system; knows nothing of the floors above.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/debug.h"
#include "env/fork.h"
#include "env/list.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- cancellation -------------------------------------------------------------- */

/* How often it is held off, and whether it was off before: 2 * times + was. */
static __thread unsigned held_off __attribute__((tls_model("initial-exec")));

void env_cancel_off(void)
{
	int before;

	if (!held_off) {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
		held_off = before == PTHREAD_CANCEL_DISABLE;
	}
	held_off += 2;
}

/* A signal's handler may come at any point of the two, and leaves both as they were. */
void env_cancel_on(void)
{
	unsigned left = held_off - 2;

	held_off = left < 2 ? 0 : left;
	if (!left)
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
}

/* ---- locks: who holds one can't be cancelled ---------------------------------------- */

void env_lock_init(struct env_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

void env_lock_destroy(struct env_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static __thread unsigned locks
	__attribute__((tls_model("initial-exec"))); /* that this thread has */

bool env_has_lock(void)
{
	return locks;
}

/* Counts as a lock: what reports wait must not be printed there. */
void env_handler_begin(void)
{
	locks++;
}

void env_handler_end(void)
{
	locks--;
}

void env_lock(struct env_lock *lock)
{
	env_cancel_off();
	pthread_mutex_lock(&lock->mutex);
	locks++;
}

bool env_trylock(struct env_lock *lock)
{
	env_cancel_off();
	if (!pthread_mutex_trylock(&lock->mutex)) {
		locks++;
		return true;
	}
	env_cancel_on();
	return false;
}

void env_unlock(struct env_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
	if (!--locks)
		debug_print();
	env_cancel_on();
}

/* ---- identity -------------------------------------------------------- */

/*
 * There may be several copies of the library in a process: one in the program and one in a
 * plug-in, or in a namespace of dlmopen. None knows of the others. What they share is the address
 * space, and so a number is where something is: a stretch of 128 KiB belongs to who has it mapped,
 * and there are 2^31 of them below 2^48, which is as high as Linux maps unasked.
 * With 32-bit addresses a stretch is 8 KiB; a kernel with larger pages gives several at once.
 */
#define STRETCH_BITS (sizeof(void *) == 8 ? 17 : 13)
#define STRETCH ((size_t)1 << STRETCH_BITS)

/* What is mapped for one place: whole stretches, whole pages of the kernel's. Powers of two. */
static size_t place_bytes(void)
{
	return STRETCH > env_kernel_page() ? STRETCH : env_kernel_page();
}

static uint64_t number_of(uintptr_t addr)
{
	return (uint64_t)addr >> STRETCH_BITS;
}

/* Of memory that is used alike, not all at the same distance: caches have few lines for that. */
static size_t stagger(uintptr_t stretch)
{
	_Static_assert(15 * 192 + ENV_NUMBERED <= 8192, "what is asked for fits into a stretch");
	return number_of(stretch) % 16 * 192;
}

int env_alloc_numbered(void **out, size_t bytes)
{
	const size_t own = place_bytes();
	char *p = MAP_FAILED;
	size_t head;

	*out = NULL;
	if (!env_fault("alloc") && bytes <= ENV_NUMBERED)
		p = mmap(NULL, 2 * own, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	head = -(uintptr_t)p & (own - 1);
	if (head)
		munmap(p, head);
	munmap(p + head + own, own - head);
	p += head;
	if (number_of((uintptr_t)p) > INT32_MAX) {
		munmap(p, own);
		return -ENOMEM;
	}
	*out = p + stagger((uintptr_t)p);
	return 0;
}

uint32_t env_number_of(const void *p)
{
	return (uint32_t)number_of((uintptr_t)p);
}

void env_free_numbered(void *p)
{
	const size_t own = place_bytes();

	if (p)
		munmap((void *)((uintptr_t)p & ~(own - 1)), own);
}

__thread uint64_t env_tls_self; /* 0 until the thread has asked for its number */

/* In the upper half is the copy's number: that of a stretch of its own data, never touched. */
uint64_t env_self(void)
{
	static char room[(sizeof(void *) == 8 ? 2u << 17 : 2u << 13) - 1];
	static uint64_t last; /* relaxed */

	if (!env_tls_self)
		env_tls_self = (number_of((uintptr_t)room + STRETCH - 1) << 32) +
			       env_add_relaxed(&last, 1) + 1;
	return env_tls_self;
}

/* ---- the end of a thread, of the library, of the process --------------------------- */

static bool exits; /* relaxed: the process does, and other threads may still be at work */

bool env_unloads(void)
{
	return !env_load_relaxed(&exits);
}

static void note_exit(void)
{
	env_store_relaxed(&exits, true);
}

/*
 * exit(3) calls this before it calls any destructor; an unloading calls destructors only, and
 * then forgets it.
 */
static __attribute__((constructor)) void tell_exit_from_unloading(void)
{
	if (atexit(note_exit))
		note_exit(); /* what may go only with the library then never goes */
}

/*
 * A key's destructor is what the C library calls as a thread ends that has a value of it. As the
 * process ends other threads may still come here: a key that is deleted may be another library's
 * by then.
 */
static struct {
	struct env_lock lock; /* protects what follows; the key is used under it only */
	enum { NO_KEY, A_KEY, NO_MORE } state;
	pthread_key_t key;
	struct hlist_node *first;
} threads = { .lock = ENV_LOCK_INIT };

/*
 * In a namespace of dlmopen(3) there is no key: the C library there is another, whose keys have the
 * numbers of the program's, and a thread has one value for both, which it gives to the destructor
 * of the program's as it ends. Nobody there hears of a thread's end.
 */
static __attribute__((constructor)) void no_key_in_a_namespace(void)
{
#ifdef LM_ID_NEWLM
	struct link_map *map;
	Lmid_t id = LM_ID_BASE;
	Dl_info info;

	if (dladdr1((void *)no_key_in_a_namespace, &info, (void **)&map, RTLD_DL_LINKMAP))
		dlinfo(map, RTLD_DI_LMID, &id);
	if (id != LM_ID_BASE)
		threads.state = NO_MORE;
#endif
}

struct record {
	struct env_thread thread; /* first: the key's value */
	struct hlist_node link;
};

static void record_free(struct record *r)
{
	env_free(r->thread.known);
	env_free(r->thread.text);
	env_free(r);
}

static void thread_ends(void *record)
{
	struct record *r = record;

	if (r->thread.at_end)
		r->thread.at_end(&r->thread);
	env_lock(&threads.lock);
	hlist_del(&r->link);
	env_unlock(&threads.lock);
	record_free(r);
}

/* The lock is held. False: there is no key. */
static bool have_key(void)
{
	if (threads.state == NO_KEY && !pthread_key_create(&threads.key, thread_ends))
		threads.state = A_KEY;
	return threads.state == A_KEY;
}

struct env_thread *env_thread(void)
{
	struct record *r = NULL;
	bool can;

	env_lock(&threads.lock);
	can = have_key();
	if (can)
		r = pthread_getspecific(threads.key);
	env_unlock(&threads.lock);
	if (r || !can)
		return r ? &r->thread : NULL;
	r = env_zalloc(sizeof *r);
	if (!r)
		return NULL;
	env_lock(&threads.lock);
	can = have_key() && !pthread_setspecific(threads.key, r);
	if (can)
		hlist_add(&r->link, &threads.first);
	env_unlock(&threads.lock);
	if (can)
		return &r->thread;
	env_free(r);
	return NULL;
}

void threads_hold(void)
{
	env_lock(&threads.lock);
}

void threads_release(void)
{
	env_unlock(&threads.lock);
}

/* Threads that have a record may outlive the library. */
static __attribute__((destructor)) void no_more_threads(void)
{
	env_lock(&threads.lock);
	if (threads.state == A_KEY)
		pthread_key_delete(threads.key);
	threads.state = NO_MORE;
	env_unlock(&threads.lock);
	while (env_unloads() && threads.first) {
		struct record *r = list_entry(threads.first, struct record, link);

		hlist_del(&r->link);
		record_free(r);
	}
}
