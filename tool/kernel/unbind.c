/*
 * unbind.c - pagepool kernel unbind: unbind a network device's driver the safe way. Its interfaces
 * go down, so that no more pages go out; all pages of its pools come back; then the driver is
 * unbound, through sysfs. Whoever holds pages meanwhile is named. If it gives up (a deadline, a
 * signal, somebody who sets an interface up), everything is restored.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "kernel.h"
#include "link.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT 60     /* seconds */
#define STEP_MS 300    /* between two looks */
#define INTERFACES 64u /* of one device */

struct wish {
	const char *what;
	uint64_t timeout;
	bool force, dry_run, down, anyway;
};

/* A pool that was seen once: it is looked at again where it was. */
struct known {
	kaddr_t address;
	uint64_t id;
};

struct job {
	struct wish wish;
	char device[PATH_MAX]; /* in /sys; "": a virtual interface */
	char name[64];         /* the device's, as its driver's "unbind" takes it */
	char driver[64];       /* "": none */
	struct link_state link[INTERFACES];
	unsigned n_links;
	struct scan scan;
	struct held held;
	struct known *known;
	size_t n_known;
	int64_t out; /* pages of the device's pools that are not idle in them */
	bool has_error;
};

/* ---- what is meant --------------------------------------------------------------------------- */

static bool add_link(struct job *j, const char *name)
{
	struct link_state *l = &j->link[j->n_links];

	if (j->n_links == INTERFACES || strlen(name) >= sizeof l->name)
		return false;
	snprintf(l->name, sizeof l->name, "%s", name);
	l->index = if_nametoindex(name);
	j->n_links += l->index != 0;
	return true;
}

/* For dir_each: the interfaces of the device, all of which its driver takes along. */
static bool link_of_device(const char *name, void *ctx)
{
	struct job *j = ctx;
	char path[PCI_PATH], real[PATH_MAX];
	size_t n = strlen(j->device);

	snprintf(path, sizeof path, "/sys/class/net/%.200s/device", name);
	if (!realpath(path, real) || strncmp(real, j->device, n) || (real[n] && real[n] != '/'))
		return true;
	return add_link(j, name);
}

static int find_device(struct job *j, const char *path)
{
	char driver[PATH_MAX + 16];

	if (!realpath(path, j->device)) {
		*j->device = 0;
		return EXIT_OK;
	}
	snprintf(j->name, sizeof j->name, "%.63s", strrchr(j->device, '/') + 1);
	snprintf(driver, sizeof driver, "%s/driver", j->device);
	link_name(j->driver, sizeof j->driver, driver);
	dir_each("/sys/class/net", link_of_device, j);
	if (*j->driver || j->wish.down)
		return EXIT_OK;
	say("%s is bound to no driver", j->name);
	return EXIT_ERROR;
}

static int find_what(struct job *j)
{
	const char *what = j->wish.what;
	char address[PP_VFIO_ADDRESS], path[PCI_PATH];
	int ret;

	if (pp_vfio_parse_address(address, what) && pci_exists(address)) {
		pci_path(path, address, "");
		return find_device(j, path);
	}
	if (strlen(what) >= IF_NAMESIZE || !if_nametoindex(what)) {
		say("there is no interface and no PCI device \"%s\" here; ip link lists the interfaces",
		    what);
		return EXIT_ERROR;
	}
	snprintf(path, sizeof path, "/sys/class/net/%s/device", what);
	ret = find_device(j, path);
	if (ret != EXIT_OK || *j->device)
		return ret;
	snprintf(j->name, sizeof j->name, "%s", what);
	add_link(j, what);
	if (j->wish.down)
		return EXIT_OK;
	say("%s is virtual: it has no driver to be unbound from; --down takes it down and waits for "
	    "its pages, after which ip link del %s doesn't wait for any",
	    what, what);
	return EXIT_ERROR;
}

/* ---- its pools ------------------------------------------------------------------------------- */

static bool is_ours(const struct job *j, const struct pool *p)
{
	if (p->interface_gone)
		return false;
	if (*j->device && !strcmp(p->interface, j->name))
		return true; /* of a device whose interface isn't known */
	for (unsigned i = 0; i < j->n_links; i++)
		if (!strcmp(p->interface, j->link[i].name))
			return true;
	return false;
}

static void note_pool(struct job *j, const struct pool *p)
{
	struct known *k;

	for (size_t i = 0; i < j->n_known; i++)
		if (j->known[i].address == p->address && j->known[i].id == p->id)
			return;
	k = grow(&j->known, &j->n_known, sizeof *k);
	if (k)
		*k = (struct known){ p->address, p->id };
	else
		j->has_error = true;
}

/* Pages of a pool that somebody has: those that lie in it come along with it. */
static int64_t out_of(struct job *j, size_t pool)
{
	struct held_sum sum;

	if (!j->scan.peek)
		return j->scan.pool[pool].in_flight;
	sum = held_sum(&j->held, (int)pool);
	return sum.in_flight - (int64_t)sum.idle;
}

/* Look at all pools and holders anew. 0, or said what is wrong. */
static int look(struct job *j)
{
	struct scan *s = &j->scan;
	int ret;

	held_close(&j->held);
	scan_clear(s);
	ret = scan_pools(s);
	/* a pool that its driver has let go hangs on nothing that can be found everywhere */
	for (size_t i = 0; !ret && s->peek && i < j->n_known; i++)
		if (j->known[i].address)
			scan_pool_at(s, j->known[i].address);
	if (!ret && s->peek)
		ret = held_scan(&j->held, s);
	j->out = 0;
	for (size_t i = 0; !ret && i < s->n_pools; i++) {
		if (!is_ours(j, &s->pool[i]))
			continue;
		note_pool(j, &s->pool[i]);
		j->out += out_of(j, i) > 0 ? out_of(j, i) : 0;
	}
	if (!ret && j->has_error)
		ret = -ENOMEM;
	if (ret)
		say("can't look at the kernel's page pools: %s", strerror(-ret));
	return ret;
}

static void name_holders(const struct job *j)
{
	for (size_t i = 0; j->scan.peek && i < j->scan.n_pools; i++)
		if (is_ours(j, &j->scan.pool[i]) && j->scan.pool[i].in_flight > 0)
			kernel_print_holders(&j->held, (int)i);
	fflush(stdout);
}

static const char *pages(int64_t n, char buf[32])
{
	snprintf(buf, 32, "%lld page%s", (long long)n, n == 1 ? "" : "s");
	return buf;
}

/* ---- whether it may be ----------------------------------------------------------------------- */

/* Of another network namespace: it can't be taken down from here. */
static const struct device *elsewhere(const struct job *j)
{
	for (size_t i = 0; *j->device && i < j->scan.n_devices; i++)
		if (!strcmp(j->scan.device[i].bus, j->name) && strchr(j->scan.device[i].name, '@'))
			return &j->scan.device[i];
	return NULL;
}

static bool in_use(const struct job *j, char *what, size_t size)
{
	return *j->device ? device_in_use(what, size, j->device) :
			    interface_in_use(what, size, j->link[0].name);
}

/* False: said why not. */
static bool may(struct job *j)
{
	char what[400];

	if (elsewhere(j)) {
		say("%s is left alone: its interface %s is in another network namespace; run this "
		    "there",
		    j->name, elsewhere(j)->name);
		return false;
	}
	if (!j->wish.force && in_use(j, what, sizeof what)) {
		say("%s is left alone: %s; --force does it all the same", j->name, what);
		return false;
	}
	if (!j->scan.peek && !j->n_known && !j->wish.anyway) {
		say("%s is left alone: whether its pages are all back can't be seen: %s; "
		    "--unbind-anyway doesn't ask",
		    j->name, j->scan.no_peek);
		return false;
	}
	return true;
}

/* ---- down, and back -------------------------------------------------------------------------- */

static void put_back(struct job *j)
{
	for (unsigned i = 0; i < j->n_links; i++) {
		struct link_state *l = &j->link[i];
		unsigned lost = 0;
		int ret = l->down_by_us ? link_restore(l, &lost) : 0;

		if (ret)
			say("%s could not be set up again: %s; it was up before", l->name,
			    strerror(-ret));
		else if (lost)
			say("%s is up again, but %u of its routes, addresses and neighbours could not "
			    "be put back",
			    l->name, lost);
	}
}

static int take_down(struct job *j)
{
	for (unsigned i = 0; i < j->n_links; i++) {
		struct link_state *l = &j->link[i];
		int ret = link_is_up(l);

		if (ret > 0)
			ret = link_down(l);
		if (ret == -EPERM || ret == -EACCES)
			say("no permission to set %s down; run it as root", l->name);
		else if (ret)
			say("%s can't be taken down: %s", l->name, strerror(-ret));
		if (ret)
			return ret;
	}
	return 0;
}

/* One that somebody takes up again takes pages again. */
static const char *up_again(const struct job *j)
{
	for (unsigned i = 0; i < j->n_links; i++)
		if (link_is_up(&j->link[i]) > 0)
			return j->link[i].name;
	return NULL;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void progress(const struct job *j, int64_t left_ms)
{
	char n[32];

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s: %s still held; %lld s left", j->name, pages(j->out, n),
			(long long)(left_ms + 999) / 1000);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

enum verdict { ALL_BACK, NOT_BACK, GIVEN_UP };

/* Until no page is out. GIVEN_UP: said why. */
static enum verdict wait_for_pages(struct job *j)
{
	uint64_t seconds = j->wish.timeout < INT_MAX ? j->wish.timeout : INT_MAX;
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	bool named = false;

	while (!look(j)) {
		struct pollfd stop = { .fd = stop_fd(), .events = POLLIN };
		const char *up = up_again(j);

		if (up)
			say("%s was brought up by somebody else meanwhile; stop that first", up);
		else if (stop_asked())
			say("stopped");
		if (up || stop_asked())
			return GIVEN_UP;
		if (!j->out)
			return ALL_BACK;
		if (now_ms() >= end)
			return NOT_BACK;
		if (!named)
			name_holders(j);
		named = true;
		progress(j, end - now_ms());
		poll(&stop, 1, STEP_MS);
	}
	return GIVEN_UP;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static int unbind_driver(const struct job *j)
{
	char path[PATH_MAX + 32];
	int ret;

	snprintf(path, sizeof path, "%s/driver/unbind", j->device);
	ret = file_write(path, j->name);
	if (ret == -EPERM || ret == -EACCES)
		say("no permission to write %s; run it as root", path);
	else if (ret)
		say("%s can't be unbound from %s: %s: %s", j->name, j->driver, path,
		    strerror(-ret));
	return ret;
}

static int finish(struct job *j)
{
	char n[32], path[PATH_MAX + 16], bus[64] = "pci";

	if (j->wish.down) {
		printf("%s is down, and all pages of its pools are back.\n", j->name);
		return EXIT_OK;
	}
	snprintf(path, sizeof path, "%s/subsystem", j->device);
	link_name(bus, sizeof bus, path);
	if (unbind_driver(j))
		return EXIT_ERROR;
	printf("%s is unbound from %s", j->name, j->driver);
	if (j->out)
		printf(", with %s held", pages(j->out, n));
	printf(". Back: echo %s >/sys/bus/%s/drivers/%s/bind\n", j->name, bus, j->driver);
	return EXIT_OK;
}

static int not_in_time(struct job *j)
{
	char n[32];

	if (j->wish.anyway)
		return finish(j);
	name_holders(j);
	say("%s is left alone: %s of its pools %s still held; have the holders let go, or give it "
	    "more --timeout",
	    j->name, pages(j->out, n), j->out == 1 ? "is" : "are");
	return EXIT_ERROR;
}

static int go(struct job *j)
{
	enum verdict verdict = GIVEN_UP;
	int ret = EXIT_ERROR;

	if (!take_down(j)) {
		verdict = wait_for_pages(j);
		end_progress();
	}
	if (verdict == ALL_BACK)
		ret = finish(j);
	else if (verdict == NOT_BACK)
		ret = not_in_time(j);
	if (ret != EXIT_OK)
		put_back(j);
	return ret;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int dry_run(struct job *j)
{
	char n[32];

	for (unsigned i = 0; i < j->n_links; i++)
		printf("%s %s\n", j->link[i].name,
		       link_is_up(&j->link[i]) > 0 ? "is up, and would be taken down" : "is down");
	printf("%s of its %zu pool%s %s held, and would be waited for, for %llu s\n",
	       pages(j->out, n), j->n_known, j->n_known == 1 ? "" : "s", j->out == 1 ? "is" : "are",
	       (unsigned long long)j->wish.timeout);
	name_holders(j);
	if (!j->wish.down)
		printf("%s would be unbound from %s\n", j->name, j->driver);
	return EXIT_OK;
}

static int run(struct job *j)
{
	int ret = find_what(j);

	if (ret != EXIT_OK)
		return ret;
	if (scan_open(&j->scan)) {
		say("no memory to look at the kernel's page pools");
		return EXIT_ERROR;
	}
	if (look(j) || !may(j))
		return EXIT_ERROR;
	if (j->wish.dry_run)
		return dry_run(j);
	return stop_fd_open() < 0 ? EXIT_ERROR : go(j);
}

static void job_close(struct job *j)
{
	for (unsigned i = 0; i < j->n_links; i++)
		link_forget(&j->link[i]);
	held_close(&j->held);
	scan_close(&j->scan);
	free(j->known);
	free(j);
}

int kernel_unbind_main(int argc, char **argv)
{
	struct job *j = calloc(1, sizeof *j);
	struct wish w = { .timeout = TIMEOUT };
	const struct option_def defs[] = {
		{ "IF|PCI", 0, "IF|PCI", "a network interface, or a PCI address: 0000:00:03.0",
		  OPTION_ARGUMENT, &w.what },
		{ "timeout", 't', "SECONDS", "how long to wait for the pages (60); 0: look once",
		  OPTION_SIZE, &w.timeout },
		{ "force", 'f', NULL, "even if it is in use (has an address or a route, is open)",
		  OPTION_FLAG, &w.force },
		{ "unbind-anyway", 0, NULL, "after that time, even if pages are still held",
		  OPTION_FLAG, &w.anyway },
		{ "down", 0, NULL, "only take it down and wait; also for virtual interfaces",
		  OPTION_FLAG, &w.down },
		{ "dry-run", 'n', NULL, "only show what would be done", OPTION_FLAG, &w.dry_run },
		{ 0 },
	};
	int ret = EXIT_ERROR;

	if (!j) {
		say("no memory");
		return EXIT_ERROR;
	}
	if (options_parse(argc, argv, "kernel unbind",
			  "Take a network device from its driver once all its pages are back.",
			  defs)) {
		ret = EXIT_USAGE;
	} else if (!w.what) {
		say("kernel unbind needs an interface or a PCI address; ip link lists the interfaces");
		ret = EXIT_USAGE;
	} else if (w.down && w.anyway) {
		say("--down and --unbind-anyway can't be combined: nothing is unbound");
		ret = EXIT_USAGE;
	} else {
		j->wish = w;
		ret = run(j);
	}
	job_close(j);
	return ret;
}
