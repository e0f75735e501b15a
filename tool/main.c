/*
 * main.c - the pagepool command: selects one of its commands.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "capture", capture_main, "write the packets that a device receives to a file" },
	{ "forward", forward_main, "move packets between two devices" },
	{ "replay", replay_main, "send the packets of a file through a device" },
	{ "devices", devices_main, "list the devices to capture from and send through" },
	{ "bind", bind_main, "bind a PCI device to vfio-pci" },
	{ "unbind", unbind_main, "return it to its kernel driver" },
	{ "doctor", doctor_main, "check the prerequisites for real devices" },
	{ "stat", stat_main, "show the pools and devices of a running process" },
#ifdef HAVE_TOP
	{ "top", top_main, "the same, live" },
#endif
#ifdef HAVE_KERNEL
	{ "kernel", kernel_main, "inspect the page pools of the running kernel" },
#endif
};

static void usage(FILE *out)
{
	fprintf(out, "Usage: pagepool COMMAND [OPTION ...]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].what);
	fprintf(out, "\n  --help     show this help; COMMAND --help shows a command's\n"
		     "  --version  show the version\n");
}

/* What was printed must have arrived. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	say("can't write to the standard output: %s", strerror(errno));
	return status == EXIT_OK ? EXIT_ERROR : status;
}

/*
 * Who started us may have closed some of the descriptors 0 to 2. No file of ours may take such a
 * place: what is meant for a person would land in it. Writes there go on to fail.
 */
static void keep_places(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	keep_places();
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return finish(EXIT_OK);
	}
	if (!strcmp(argv[1], "--version")) {
		printf("pagepool %s\n", pp_version());
		return finish(EXIT_OK);
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (!strcmp(argv[1], commands[i].name))
			return finish(commands[i].main(argc - 1, argv + 1));
#ifndef HAVE_KERNEL
	if (!strcmp(argv[1], "kernel")) {
		say("this pagepool was built without the kernel command, because clang, bpftool, libbpf or libmnl was missing; make KERNEL=1 builds it, or says what is missing");
		return EXIT_ERROR;
	}
#endif
	say("there is no command \"%s\"; see pagepool --help", argv[1]);
	return EXIT_USAGE;
}
