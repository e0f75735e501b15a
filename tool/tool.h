/*
 * tool.h - what the parts of the pagepool command share.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <pagepool/net.h>
#include <pagepool/pagepool.h>
#include <pagepool/telemetry.h>
#include <stdio.h>

#include "account.h"

/* Exit statuses: the command's contract. */
enum { EXIT_OK = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_LOST = 3, EXIT_DROPPED = 4 };

#define ERROR_BYTES 600
#define DLT_ETHERNET 1 /* libpcap's DLT_EN10MB */

/* errors.c: print one sentence to standard error, after the program's name */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* options.c */

/* The values of an option that may be given more than once. */
struct option_list {
	const char *value[16];
	unsigned n;
};

/* One option of a command: "--hold N". An entry without a name ends a list. */
struct option_def {
	const char *name;  /* long, without the dashes */
	char letter;       /* or 0 */
	const char *value; /* what it takes, for the help; NULL: nothing */
	const char *help;
	enum option_kind {
		OPTION_STRING,
		OPTION_TEXT,
		OPTION_COUNT,
		OPTION_SIZE,
		OPTION_FLAG,
		OPTION_ARGUMENT, /* a string without a dash; name is what the help calls it */
		OPTION_WORDS,    /* all that there are, with blanks between them */
		OPTION_LIST,     /* a string; may be repeated: struct option_list */
	} kind;
	void *out; /* const char ** (TEXT: need not be there), uint64_t * (COUNT: 1 up, SIZE: 0 up) or bool * */
};

/* clang-format off */
/* Rows that several commands have: when a run ends; */
#define OPTIONS_END(o)                                                                             \
	{ "count", 'c', "COUNT", "stop after COUNT packets", OPTION_COUNT, &(o)->count },          \
	{ "duration", 0, "N", "stop after N seconds", OPTION_COUNT, &(o)->duration }
/* what is printed and exported; */
#define OPTION_JSON(o)                                                                             \
	{ "json", 0, NULL, "print the report as one JSON object", OPTION_FLAG, &(o)->json }
#define OPTION_NO_TELEMETRY(o)                                                                     \
	{ "no-telemetry", 0, NULL, "don't export statistics to pagepool stat", OPTION_FLAG,        \
	  &(o)->no_telemetry }
/* how devices are opened, and which of their packets are taken. */
#define OPTIONS_RECEIVE(o)                                                                         \
	{ "no-promiscuous", 'p', NULL, "don't use promiscuous mode", OPTION_FLAG,                  \
	  &(o)->no_promiscuous },                                                                  \
	{ "user", 'Z', "USER", "as root: once bound, continue as USER", OPTION_TEXT,               \
	  &(o)->rights.user },                                                                     \
	OPTION_NO_TELEMETRY(o),                                                                    \
	{ "EXPRESSION", 0, "[EXPRESSION]",                                                         \
	  "only packets that match it, as in tcp port 80; see pcap-filter(7)", OPTION_WORDS,       \
	  &(o)->expression }
/* clang-format on */

/*
 * Parse a command line. 0, or -1 after saying what is wrong. `--help` prints the help and exits;
 * after `--` there are no options. Once per process: it keeps the EXPRESSION's words.
 */
int options_parse(int argc, char **argv, const char *command, const char *what,
		  const struct option_def *defs);
/* A whole number, all of the text; false: it isn't one. */
bool number_parse(const char *text, uint64_t min, uint64_t *out);

/* device.c */

#define DEVICE_VFIO_HELP                                                                           \
	"\n                             or vfio:ADDRESS[,poll][,rogue][,api=iommufd|container]"
#ifdef HAVE_XDP
#define DEVICE_XDP_HELP                                                                            \
	"\n                             or xdp:IFNAME[:QUEUE][,frame=2048|4096]"                   \
	"\n                             [,mode=copy|zerocopy|generic]"
#else
#define DEVICE_XDP_HELP ""
#endif

struct device_options {
	uint64_t max_pages; /* of the receive pool; 0: no limit */
	uint64_t hold;      /* pages that will be kept */
	bool send_only;     /* nothing is to be received */
	bool promiscuous;   /* receive what is for others too */
	bool quiet;         /* don't say that an interface isn't there */
	int dlt;            /* libpcap's DLT_ number of what will be sent */
	/* The run's own files: a device must not write to them, or read what is written. */
	const char *reads, *writes;
};
/* Bind its driver. 0, or -1 after saying what is wrong. */
int device_bind(struct pp_net *nic);
/* 0, or -1 after saying what is wrong; *usage: it was the caller's spelling */
int device_open(struct pp_net **out, const char *spec, const struct device_options *o, bool *usage);
/* Print its last notices and close it. NULL is allowed. */
void device_close(struct pp_net *nic);
/*
 * Wait until at most `left` segments are in flight, for a few seconds only once the run is to end.
 * False: there are more, and waiting for the device is pointless.
 */
bool device_drain(struct pp_net *nic, unsigned left);
/* Print the device's notices. */
void device_notices(struct pp_net *nic);

/* signal.c: SIGINT, SIGTERM, SIGHUP and SIGPIPE become a readable descriptor */
/* The descriptor, or -1 after saying what is wrong. */
int stop_fd_open(void);
int stop_fd(void); /* the same again; -1 before it is open */
bool stop_asked(void);

/* output.c (see output.h, too) */

/*
 * Packets are written to this file: "-", or a path that can be examined. Text for people must go
 * elsewhere, whatever name the file has.
 */
void packets_go_to(const char *path);
/* Where a report is printed: standard output, or standard error if packets go there. */
FILE *report_stream(void);

/* report.c */

/* What became of a run; the keys of --json. */
#define REPORT_COUNTS(X)                                                                           \
	X(packets_received)                                                                        \
	X(packets_filtered)                                                                        \
	X(packets_written)                                                                         \
	X(packets_written_at_most)                                                                 \
	X(bytes_written)                                                                           \
	X(files)                                                                                   \
	X(in_flight_at_unbind)                                                                     \
	X(unbind_ns)                                                                               \
	X(mappings_left)                                                                           \
	X(iova_left)                                                                               \
	X(page_table_bytes_left)                                                                   \
	X(faults_before_unbind)                                                                    \
	X(faults_after_unbind)                                                                     \
	X(late_calls_refused)                                                                      \
	X(pages_leaked)                                                                            \
	X(chunks)                                                                                  \
	X(chunks_hugetlb)                                                                          \
	X(chunks_thp)                                                                              \
	X(page_bytes_mapped)                                                                       \
	X(bindings)                                                                                \
	X(elapsed_ns)

struct report {
#define REPORT_MEMBER(name) uint64_t name;
	REPORT_COUNTS(REPORT_MEMBER)
	struct account account;
	const char *device, *file;
	const char *end; /* how the run ended: "end of input", "unbound", ... */
	bool unbind_asked, removed, rebound;
};

/* Record what the device's domain still holds, which should be nothing. The maximum counts. */
void report_left(struct report *r, struct pp_device *dev);
void report_print(const struct report *r, FILE *out);
#define GROUPED 32
/* 1234567 as "1,234,567". */
const char *grouped(uint64_t n, char buf[GROUPED]);
/* As a JSON object of jansson's, the caller's. */
struct json_t *report_object(const struct report *r);
void report_json(const struct report *r, FILE *out);

/* export.c: export statistics. NULL: not wanted, or impossible, which has been reported */
struct pp_telemetry *export_telemetry(bool wanted);

/* pci.c: what sysfs tells of PCI devices */

#define PCI_PATH 300

/* /sys/bus/pci/devices/ADDRESS/NAME */
void pci_path(char path[PCI_PATH], const char *address, const char *name);
bool pci_exists(const char *address);
/* The last name of what a link of the device points to ("driver", "iommu_group"). */
bool pci_link(char *name, size_t size, const char *address, const char *link);
/* The last name of what a link points to. */
bool link_name(char *name, size_t size, const char *path);
/* The first line of a file, without the newline. False: it can't be read. */
bool file_line(char *line, size_t size, const char *path);
/* Write a text to a file of sysfs. 0 or -errno. */
int file_write(const char *path, const char *text);
/* Call fn for each name in a directory, but . and .., until it returns false. */
void dir_each(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx);
/* True if a network interface of the device, or one on top of it, has a default route. */
bool pci_has_default_route(char *interface, size_t size, const char *address);
/* in_use.c: true if something needs the device's driver; *what: "its disk sda1 is mounted on /" */
bool pci_in_use(char *what, size_t size, const char *address);
/* The same of the device at a path in /sys; of a network interface without a device. */
bool device_in_use(char *what, size_t size, const char *path);
bool interface_in_use(char *what, size_t size, const char *name);

/* capture.c, forward.c, replay.c, devices.c, bind.c, doctor.c: the commands; the exit status */
int capture_main(int argc, char **argv);
int forward_main(int argc, char **argv);
int replay_main(int argc, char **argv);
int devices_main(int argc, char **argv);
int bind_main(int argc, char **argv);
int unbind_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

#endif
