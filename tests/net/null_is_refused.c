/*
 * null_is_refused.c - NULL for a required argument: a call of pagepool/net.h that returns an errno
 * returns -EINVAL, the others do nothing.
 *
 * null_is_refused ROOT: checks that every public call is covered here.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <string.h>

#include "tap.h"

#define is_refused(call) check((call) == -EINVAL, "%s", #call)
#define is_nothing(call) check(!(call), "%s", #call)

static struct pp_net *nic;

static void no_device(void)
{
	struct pp_pool_params pool = PP_PARAMS(struct pp_pool_params);
	struct pp_pool *shared = (void *)&pool;
	struct pp_net *none[1] = { NULL };
	struct pp_net_seg seg = { .flags = PP_NET_LAST };

	is_refused(pp_net_pool_params(NULL, 0, &pool));
	is_refused(pp_net_use_pool(NULL, 0, NULL));
	is_refused(pp_net_share_pool(&shared, none, 1, 0));
	is_nothing(shared);
	is_refused(pp_net_bind(NULL));
	is_refused(pp_net_unbind(NULL));
	is_refused(pp_net_remove(NULL));
	is_refused(pp_net_quiet(NULL));
	is_refused(pp_net_own(NULL, 0));
	is_refused(pp_net_event_fd(NULL, 0));
	is_nothing(pp_net_pool(NULL, 0));
	is_nothing(pp_net_send_pool(NULL, 0));
	is_nothing(pp_net_device(NULL, 0));
	is_nothing(pp_net_receive(NULL, 0, &seg, 1));
	is_nothing(pp_net_send(NULL, 0, &seg, 1));
	is_nothing(pp_net_reap(NULL, 0));
	is_nothing(pp_net_notice(NULL));
	is_nothing(*pp_net_error(NULL));
	check(pp_net_state(NULL) == PP_NET_GONE, "pp_net_state(NULL)");
	pp_net_arm(NULL, 0);
	pp_net_close(NULL);
}

static bool all_zero(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const char *)p)[i])
			return false;
	return true;
}

static void counts_of_no_device(void)
{
	struct pp_net_stats stats;
	struct pp_net_info info;

	memset(&stats, 1, sizeof stats);
	memset(&info, 1, sizeof info);
	pp_net_stats(NULL, PP_NET_ALL_QUEUES, &stats, sizeof stats);
	pp_net_info(NULL, &info, sizeof info);
	check(all_zero(&stats, sizeof stats) && all_zero(&info, sizeof info),
	      "no device: all is 0");
}

static void nothing_to_fill_in(void)
{
	struct pp_net_params params = PP_PARAMS(struct pp_net_params);
	char error[PP_NET_ERROR] = "";
	struct pp_net *none = (void *)error;

	params.device = pp_net_kinds() ? "soft" : NULL;
	is_refused(pp_net_open(NULL, &params, error));
	check(*error, "... with a sentence: %s", error);
	is_refused(pp_net_open(&none, NULL, NULL));
	is_nothing(none);
	require(!pp_net_open(&nic, &params, error), "a device: %s", error);
	is_refused(pp_net_pool_params(nic, 0, NULL));
	is_refused(pp_net_share_pool(NULL, &nic, 1, 0));
	is_refused(pp_net_share_pool(&(struct pp_pool *){ NULL }, NULL, 1, 0));
	pp_net_info(nic, NULL, sizeof(struct pp_net_info));
	pp_net_stats(nic, 0, NULL, sizeof(struct pp_net_stats));
	require(!pp_net_bind(nic), "bound");
	is_nothing(pp_net_receive(nic, 0, NULL, 1));
	is_nothing(pp_net_send(nic, 0, NULL, 1));
	pp_net_close(nic);
}

/* The file's text; it is never freed. */
static char *text_of(const char *root, const char *name)
{
	static char text[2][1u << 14];
	static unsigned n;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", root, name);
	f = fopen(path, "r");
	require(f && fread(text[n], 1, sizeof text[n] - 1, f), "%s", path);
	fclose(f);
	return text[n++];
}

static void all_are_here(const char *root)
{
	const char *here = text_of(root, "tests/net/null_is_refused.c");
	char *map = text_of(root, "net/libpagepool-net.map"), *name, *rest = NULL;
	unsigned n = 0;

	for (name = strtok_r(map, " \t\n;", &rest); name; name = strtok_r(NULL, " \t\n;", &rest)) {
		char call[80];

		if (strncmp(name, "pp_", 3))
			continue;
		snprintf(call, sizeof call, "%s(", name);
		check(strstr(here, call), "%s is called here", name);
		n++;
	}
	check(n > 20, "%u calls", n);
}

int main(int argc, char **argv)
{
	no_device();
	counts_of_no_device();
	nothing_to_fill_in();
	all_are_here(argc > 1 ? argv[1] : ".");
	return tap_end();
}
