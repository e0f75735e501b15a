/*
 * bind.c - pagepool bind and unbind: move a PCI device from its driver to vfio-pci, and back. Uses
 * driver_override, so that no other device of its kind is affected (Linux,
 * Documentation/ABI/testing/sysfs-bus-pci).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VFIO_PCI "/sys/bus/pci/drivers/vfio-pci"

extern char **environ;

struct bind_options {
	const char *text;
	bool force;
	char address[PP_VFIO_ADDRESS];
};

/* Write to a file of the device's; says what went wrong. */
static int device_write(const char *address, const char *name, const char *text)
{
	char path[PCI_PATH];
	int ret;

	pci_path(path, address, name);
	ret = file_write(path, text);
	if (ret == -EACCES || ret == -EPERM)
		say("no permission to write %s; run it as root", path);
	else if (ret)
		say("can't write %s: %s", path, strerror(-ret));
	return ret;
}

/* Let the kernel find a driver for the device, its override considered. */
static int probe(const char *address)
{
	int ret = file_write("/sys/bus/pci/drivers_probe", address);

	if (ret)
		say("no driver accepts %s: %s", address, strerror(-ret));
	return ret;
}

/* ---- arguments --------------------------------------------------------------------------- */

#define ADDRESS_OPTION(w)                                                                          \
	{                                                                                          \
		"ADDRESS", 0, "ADDRESS", "the device's PCI address: 0000:00:03.0",                 \
			OPTION_ARGUMENT, &(w)->text                                                \
	}

static int parse(struct bind_options *o, int argc, char **argv, const char *command,
		 const char *what, const struct option_def *defs)
{
	if (options_parse(argc, argv, command, what, defs))
		return EXIT_USAGE;
	if (!o->text) {
		say("%s needs the address of a PCI device; lspci -D lists them", command);
		return EXIT_USAGE;
	}
	if (!pp_vfio_parse_address(o->address, o->text)) {
		say("\"%s\" is not a PCI address, such as 0000:00:03.0", o->text);
		return EXIT_USAGE;
	}
	if (!pci_exists(o->address)) {
		say("there is no PCI device %s; lspci -D lists them", o->address);
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

/* ---- bind ---------------------------------------------------------------------------------- */

/* vfio-pci has to be there; a module may have to be loaded for it. */
static bool have_vfio_pci(void)
{
	char *const argv[] = { "modprobe", "vfio-pci", NULL };
	int status;
	pid_t pid;

	if (!access(VFIO_PCI, F_OK))
		return true;
	if (!posix_spawnp(&pid, "modprobe", NULL, NULL, argv, environ))
		waitpid(pid, &status, 0);
	return !access(VFIO_PCI, F_OK);
}

/* False: said why it may not be taken from its driver. */
static bool may_bind(const struct bind_options *o)
{
	char name[64], what[400];

	if (!o->force && pci_has_default_route(name, sizeof name, o->address)) {
		say("%s is left alone: its interface %s carries the default route, and this machine may become unreachable; --force binds it anyway",
		    o->address, name);
		return false;
	}
	if (!o->force && pci_in_use(what, sizeof what, o->address)) {
		say("%s is left alone: %s; --force binds it anyway", o->address, what);
		return false;
	}
	if (!pci_link(name, sizeof name, o->address, "iommu_group")) {
		say("%s has no IOMMU: pagepool doctor says how to enable it", o->address);
		return false;
	}
	if (!have_vfio_pci()) {
		say("this kernel has no vfio-pci driver: modprobe vfio-pci fails");
		return false;
	}
	return true;
}

static int bind_device(const char *address, const char *old)
{
	char now[64] = "none";

	if (device_write(address, "driver_override", "vfio-pci"))
		return EXIT_ERROR;
	if ((!*old || !device_write(address, "driver/unbind", address)) && !probe(address) &&
	    pci_link(now, sizeof now, address, "driver") && !strcmp(now, "vfio-pci"))
		return EXIT_OK;
	device_write(address, "driver_override", "\n");
	if (!pci_link(now, sizeof now, address, "driver"))
		probe(address);
	say("%s could not be bound to vfio-pci: see the kernel's log", address);
	return EXIT_ERROR;
}

struct group {
	const char *address;
	char number[16];
};

/* A member whose driver keeps the group from being used. */
static bool name_neighbour(const char *address, void *ctx)
{
	const struct group *g = ctx;
	char driver[64];

	if (strcmp(address, g->address) && pci_link(driver, sizeof driver, address, "driver") &&
	    strcmp(driver, "vfio-pci") && strcmp(driver, "pcieport"))
		printf("Its IOMMU group %s also has %s, bound to %s: bind that too, or the group "
		       "can't "
		       "be used.\n",
		       g->number, address, driver);
	return true;
}

static void name_neighbours(const char *address)
{
	struct group g = { .address = address };
	char path[PCI_PATH];

	if (!pci_link(g.number, sizeof g.number, address, "iommu_group"))
		return;
	snprintf(path, sizeof path, "/sys/kernel/iommu_groups/%s/devices", g.number);
	dir_each(path, name_neighbour, &g);
}

int bind_main(int argc, char **argv)
{
	struct bind_options o = { 0 };
	const struct option_def defs[] = {
		ADDRESS_OPTION(&o),
		{ "force", 'f', NULL,
		  "even if it is in use (mounted, has an address or a route, is open)", OPTION_FLAG,
		  &o.force },
		{ 0 },
	};
	char old[64] = "";
	int status = parse(&o, argc, argv, "bind", "Bind a PCI device to vfio-pci.", defs);

	if (status != EXIT_OK)
		return status;
	pci_link(old, sizeof old, o.address, "driver");
	if (!strcmp(old, "vfio-pci")) {
		printf("%s is already bound to vfio-pci.\n", o.address);
		return EXIT_OK;
	}
	if (!may_bind(&o))
		return EXIT_ERROR;
	status = bind_device(o.address, old);
	if (status != EXIT_OK)
		return status;
	printf("%s is bound to vfio-pci%s%s. To undo: pagepool unbind %s\n", o.address,
	       *old ? "; it was bound to " : "", old, o.address);
	name_neighbours(o.address);
	return EXIT_OK;
}

/* ---- unbind -------------------------------------------------------------------------------- */

int unbind_main(int argc, char **argv)
{
	struct bind_options o = { 0 };
	const struct option_def defs[] = { ADDRESS_OPTION(&o), { 0 } };
	char driver[64] = "";
	int status =
		parse(&o, argc, argv, "unbind", "Return a PCI device to its kernel driver.", defs);

	if (status != EXIT_OK)
		return status;
	if (!pci_link(driver, sizeof driver, o.address, "driver") || strcmp(driver, "vfio-pci")) {
		say("%s is not bound to vfio-pci, but to %s", o.address,
		    *driver ? driver : "nothing");
		return EXIT_ERROR;
	}
	/* waits for a program that has it open, which is asked to let go */
	if (device_write(o.address, "driver_override", "\n") ||
	    device_write(o.address, "driver/unbind", o.address))
		return EXIT_ERROR;
	probe(o.address);
	if (pci_link(driver, sizeof driver, o.address, "driver"))
		printf("%s is bound to %s.\n", o.address, driver);
	else
		printf("%s is free; the kernel has no driver for it.\n", o.address);
	return EXIT_OK;
}
