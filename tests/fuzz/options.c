/*
 * options.c - fuzzes the command line, up to where a device would be opened: the input is
 * the arguments, each ended by a 0. The first byte chooses the table: capture's or replay's
 * options, or a device's settings (net/words.c), which are one argument.
 *
 * What is accepted must be what was written: the values are compared with the result of a parser of
 * three lines. A refusal is one sentence.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tool.h>

#include <port.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned said; /* sentences */
static jmp_buf asked_for_help;

/* In place of errors.c: count, and see that the arguments of each format are readable. */
void say(const char *format, ...)
{
	static char text[1 << 16];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (!text[0])
		abort();
	said++;
}

/* No device here has an output: nothing is to be kept apart from it. */
void packets_go_to(const char *path)
{
	(void)path;
}

/* Nothing is sent here: nobody waits for the end of it. */
int stop_fd(void)
{
	return -1;
}

bool stop_asked(void)
{
	return true;
}

/* options_parse ends the process after the help: its exit is this one (meson.build). */
void fuzz_exit(int status)
{
	longjmp(asked_for_help, status == EXIT_OK ? 1 : 2);
}

/* device_open goes as far as these: the device is not made. */
static struct pp_net_soft_params opened;
static struct pp_net_params opened_with;
static char opened_files[2][4096];
static char opened_name[4096];

int soft_net_open(struct pp_net **out, const struct pp_net_soft_params *soft,
		  const struct pp_net_params *params, char *error)
{
	*out = NULL;
	opened = *soft;
	opened_with = *params;
	snprintf(opened_files[0], sizeof opened_files[0], "%s", soft->pcap ? soft->pcap : "");
	snprintf(opened_files[1], sizeof opened_files[1], "%s", soft->wire ? soft->wire : "");
	strcpy(error, "not opened");
	return -EIO;
}

/* Nor is a real device looked for, whatever address the input makes up. */
int vfio_net_open(struct pp_net **out, const struct pp_net_vfio_params *vfio,
		  const struct pp_net_params *params, char *error)
{
	char full[PP_VFIO_ADDRESS];

	(void)params;
	*out = NULL;
	if (!pp_vfio_parse_address(full, vfio->address))
		abort();
	strcpy(error, "not opened");
	return -EIO;
}

int xdp_net_open(struct pp_net **out, const struct pp_net_xdp_params *xdp,
		 const struct pp_net_params *params, char *error)
{
	(void)params;
	*out = NULL;
	if (!*xdp->ifname || xdp->queue_count > 1 ||
	    (xdp->frame && xdp->frame != 2048 && xdp->frame != 4096))
		abort();
	snprintf(opened_name, sizeof opened_name, "%s", xdp->ifname);
	strcpy(error, "not opened");
	return -EIO;
}

/* ---- the options of a command ---------------------------------------------------------------- */

#define STRINGS 5
#define NUMBERS 5
#define FLAGS 2

struct values {
	const char *string[STRINGS];
	uint64_t number[NUMBERS];
	bool flag[FLAGS];
	const char *words;
	struct option_list list;
};

static struct values got;
static const struct option_def defs[] = {
	{ "device", 'd', "DEVICE", "a string", OPTION_STRING, &got.string[0] },
	{ "write", 'w', "FILE", "a string", OPTION_STRING, &got.string[1] },
	{ "report", 0, "FILE", "a string", OPTION_TEXT, &got.string[2] },
	{ "FIRST", 0, "FIRST", "an argument", OPTION_ARGUMENT, &got.string[3] },
	{ "SECOND", 0, "[SECOND]", "an argument", OPTION_ARGUMENT, &got.string[4] },
	{ "WORDS", 0, "[WORDS]", "what is left", OPTION_WORDS, &got.words },
	{ "again", 'a', "WHAT", "a string, many times", OPTION_LIST, &got.list },
	{ "count", 'c', "COUNT", "from 1", OPTION_COUNT, &got.number[0] },
	{ "hold", 0, "N", "from 0", OPTION_SIZE, &got.number[1] },
	{ "unbind-after", 0, "N", "from 1", OPTION_COUNT, &got.number[2] },
	{ "loop", 'l', "N", "from 0", OPTION_SIZE, &got.number[3] },
	{ "max-pages", 0, "N", "from 1", OPTION_COUNT, &got.number[4] },
	{ "rebind", 0, NULL, "a flag", OPTION_FLAG, &got.flag[0] },
	{ "json", 'j', NULL, "a flag", OPTION_FLAG, &got.flag[1] },
	{ 0 },
};

/* A number written in digits alone, of 64 bits. */
static bool digits(const char *s, uint64_t *out)
{
	*out = 0;
	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || __builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(*s - '0'), out))
			return false;
	}
	return true;
}

/* A word without a dash. */
static void argument(struct values *v, const char *arg)
{
	static char words[1 << 20];

	if (!v->string[3]) {
		v->string[3] = arg;
	} else if (!v->string[4]) {
		v->string[4] = arg;
	} else {
		if (v->words)
			strcat(words, " ");
		else
			*words = 0;
		v->words = strcat(words, arg);
	}
}

/* The same words, read by the simplest means. False: refused. */
static bool expected(int argc, char **argv, struct values *v, bool *help)
{
	bool over = false;

	for (int i = 1; i < argc; i++) {
		const struct option_def *d = defs;
		const char *arg = argv[i], *value = NULL;

		if (!over && !strcmp(arg, "--")) {
			over = true;
			continue;
		}
		*help = !over && (!strcmp(arg, "-h") || !strcmp(arg, "--help"));
		if (*help)
			return true;
		if (over || arg[0] != '-' || !arg[1]) {
			argument(v, arg);
			continue;
		}
		for (; d->name; d++) {
			size_t n = strlen(d->name);

			if (d->kind == OPTION_ARGUMENT || d->kind == OPTION_WORDS)
				continue;

			if (arg[0] == '-' && d->letter && arg[1] == d->letter) {
				value = arg[2] == '=' ? arg + 3 : arg[2] ? arg + 2 : NULL;
				break;
			}
			if (!strncmp(arg, "--", 2) && !strncmp(arg + 2, d->name, n) &&
			    (arg[2 + n] == '=' || !arg[2 + n])) {
				value = arg[2 + n] ? arg + 3 + n : NULL;
				break;
			}
		}
		if (!d->name)
			return false;
		if (d->kind == OPTION_FLAG) {
			if (value)
				return false;
			*(bool *)((char *)v + ((char *)d->out - (char *)&got)) = true;
			continue;
		}
		if (!value && ++i < argc)
			value = argv[i];
		if (!value)
			return false;
		if (d->kind == OPTION_STRING || d->kind == OPTION_TEXT) {
			if (!*value)
				return false;
			*(const char **)((char *)v + ((char *)d->out - (char *)&got)) = value;
			continue;
		}
		if (d->kind == OPTION_LIST) {
			if (v->list.n == sizeof v->list.value / sizeof v->list.value[0])
				return false;
			v->list.value[v->list.n++] = value;
			continue;
		}
		uint64_t n;

		if (!digits(value, &n) || (d->kind == OPTION_COUNT && !n))
			return false;
		*(uint64_t *)((char *)v + ((char *)d->out - (char *)&got)) = n;
	}
	return true;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void command(int argc, char **argv)
{
	struct values want = { 0 };
	volatile bool helped = false;
	bool help = false, good;
	int ret = 0, jumped = setjmp(asked_for_help);

	if (!jumped) {
		got = (struct values){ 0 };
		ret = options_parse(argc, argv, "capture", "What it does.", defs);
	} else {
		helped = true;
		must(jumped == 1, "help ended with an error");
	}
	good = expected(argc, argv, &want, &help);
	must(helped == help, "help was asked for, or wasn't");
	if (help)
		return;
	must((ret == 0) == good, good ? "good words were refused" : "bad words were taken");
	must(said == !good, "not one sentence");
	if (good)
		must(!memcmp(got.number, want.number, sizeof got.number) &&
			     !memcmp(got.flag, want.flag, sizeof got.flag) &&
			     !memcmp(got.string, want.string, sizeof got.string) &&
			     !got.words == !want.words &&
			     (!got.words || !strcmp(got.words, want.words)) &&
			     !memcmp(&got.list, &want.list, sizeof got.list),
		     "other values were taken");
}

static void device(const char *spec)
{
	struct device_options options = { .max_pages = 7, .dlt = 1 };
	struct pp_net *net = (struct pp_net *)1;
	bool usage = true;

	opened = (struct pp_net_soft_params){ 0 };
	must(device_open(&net, spec, &options, &usage) == -1 && !net, "a device was opened");
	must(said == 1, "not one sentence");
	if (usage || !strncmp(spec, "vfio:", 5))
		return;
	if (!strncmp(spec, "xdp:", 4)) {
		must(!strncmp(spec + 4, opened_name, strlen(opened_name)) || strchr(spec, '\\'),
		     "another interface");
		return;
	}
	must(!strncmp(spec, "soft", 4) && (!spec[4] || spec[4] == ':'),
	     "another device was opened");
	if (!opened.size)
		return; /* its files are one: refused before */
	must(!opened.address_bits || (opened.address_bits >= 32 && opened.address_bits <= 64),
	     "a width that is none");
	must(opened_with.max_pages == 7, "another limit of pages");
	must(!opened_files[0][0] || strchr(spec, '\\') || strstr(spec, opened_files[0]),
	     "another file");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *argv[64], *copy;
	int argc = 1;

	if (!nowhere) {
		nowhere = fopen("/dev/null", "w");
		stdout = nowhere; /* the help goes there */
	}
	if (!size)
		return 0;
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = 0;
	said = 0;
	argv[0] = "pagepool";
	for (char *s = copy; s < copy + size && argc < 63; s += strlen(s) + 1)
		argv[argc++] = s;
	argv[argc] = NULL;
	if (data[0] & 1)
		device(copy);
	else
		command(argc, argv);
	free(copy);
	return 0;
}
