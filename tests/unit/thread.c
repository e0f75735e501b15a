/*
 * thread.c - what the library keeps for a thread besides the fast path's state: a record that ends
 * with it, and in it a back end's last error message.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"
#include "unit.h"

static struct env_thread *ended; /* the record whose end was told last */

static void note_end(struct env_thread *thread)
{
	ended = thread;
}

static void *has_record(void *arg)
{
	struct env_thread *t = env_thread();

	(void)arg;
	if (t)
		t->at_end = note_end;
	return t == env_thread() ? t : NULL;
}

static void *in_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;
	void *ret;

	if (pthread_create(&t, NULL, fn, arg) || pthread_join(t, &ret))
		abort();
	return ret;
}

static void record_goes_with_its_thread(void)
{
	void *theirs;

	ended = NULL;
	theirs = in_thread(has_record, NULL);
	check(theirs != NULL, "a thread has one record");
	check(ended == theirs, "its end is told");
}

#ifdef PP_FAULTS
static void no_memory_for_a_record(void)
{
	struct fail f;

	fail_begin(&f, "alloc", 0);
	check(!in_thread(has_record, NULL), "without memory there is none");
	check(fail_end(&f), "it was asked for");
	check(in_thread(has_record, NULL) != NULL, "the next thread has one again");
}

/* Nothing is said then, and nothing breaks. */
static void *fails_without_memory(void *v)
{
	struct fail f;
	int ret;

	for (unsigned n = 0; n < 2; n++) { /* first for the record, then for the text in it */
		fail_begin(&f, "alloc", 0);
		ret = vfio_say_map(v, 4096, -EFAULT);
		fail_end(&f);
		if (ret != -EFAULT || *pp_vfio_error(v))
			return NULL;
	}
	return v;
}
#endif

static void *fails(void *v)
{
	if (*pp_vfio_error(v) || vfio_say_map(v, 4096, -EFAULT) != -EFAULT)
		return NULL;
	return *pp_vfio_error(v) ? v : NULL;
}

static void last_word_is_a_threads_own(void)
{
	static struct pp_vfio a, b;

	check(in_thread(fails, &a) != NULL, "a thread is told why its map failed");
	check(!*pp_vfio_error(&a), "another one is not");
	vfio_say_map(&b, 4096, -ENOMEM);
	check(*pp_vfio_error(&b) && !*pp_vfio_error(&a), "it is of a device");
	vfio_say_map(&b, 4096, 0);
	check(!*pp_vfio_error(&b), "a map that succeeds forgets it");
#ifdef PP_FAULTS
	check(in_thread(fails_without_memory, &a) != NULL, "without memory nothing is said");
#endif
}

int main(void)
{
	run(record_goes_with_its_thread);
#ifdef PP_FAULTS
	run(no_memory_for_a_record);
#endif
	run(last_word_is_a_threads_own);
	return tap_end();
}
