/*
 * tamper.c - what others do to an interface, for the tests:
 *
 *   tamper tag IFNAME TPID TCI   from now on put a VLAN tag beside each packet that it sends
 *   (0x8100
 *                                or 0x88a8), as a VLAN interface on top of it does
 *   tamper detach IFNAME PID     take the XDP program off that the process has put on it by a link
 *   tamper tags IFNAME           have its own VLAN offloads switched off by the library, say
 *                                "changed" or "unchanged", and put them back at SIGINT
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/offload.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* return bpf_skb_vlan_push(skb, tpid, tci), 0; */
static int tag(int ifindex, unsigned tpid, unsigned tci)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons((uint16_t)tpid) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = (int)tci },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .flags = BPF_TC_F_REPLACE, .handle = 1,
			    .priority = 1);

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tag", "Dual BSD/GPL", code,
				     sizeof code / sizeof code[0], NULL);
	if (opts.prog_fd < 0)
		return fail("load");
	libbpf_set_print(NULL);
	bpf_tc_hook_create(&hook);
	return bpf_tc_attach(&hook, &opts) ? fail("attach") : 0;
}

/* Whether a descriptor of the process is this link. */
static bool holds_link(const char *process, uint32_t id)
{
	char path[300], line[100];
	const struct dirent *entry;
	unsigned n;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%s/fdinfo", process);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		FILE *info;

		snprintf(path, sizeof path, "/proc/%s/fdinfo/%s", process, entry->d_name);
		info = fopen(path, "r");
		while (info && !found && fgets(line, sizeof line, info))
			found = sscanf(line, "link_id: %u", &n) == 1 && n == id;
		if (info)
			fclose(info);
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * The kernel lists the links of all network namespaces, and an interface's number may be another's
 * in another one: so the link must be the process's own.
 */
static int detach(unsigned ifindex, const char *process)
{
	for (uint32_t id = 0; !bpf_link_get_next_id(id, &id);) {
		int fd = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info = { 0 };
		uint32_t len = sizeof info;

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) &&
		    info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex &&
		    holds_link(process, id))
			return bpf_link_detach(fd) ? fail("detach") : 0;
		if (fd >= 0)
			close(fd);
	}
	return fail("no link");
}

static int tags(const char *ifname)
{
	struct xdp_features f = { .query = socket(AF_INET, SOCK_DGRAM, 0) };
	sigset_t set;
	int sig;
	bool changed, kept;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kept = xdp_features_keep_tags(&f, ifname, &changed);
	puts(!kept ? "no" : changed ? "changed" : "unchanged");
	fflush(stdout);
	sigwait(&set, &sig);
	xdp_features_put_back(&f, ifname);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned ifindex = argc > 2 ? if_nametoindex(argv[2]) : 0;

	if (ifindex && argc == 5 && !strcmp(argv[1], "tag"))
		return tag((int)ifindex, (unsigned)strtoul(argv[3], NULL, 0),
			   (unsigned)strtoul(argv[4], NULL, 0));
	if (ifindex && argc == 4 && !strcmp(argv[1], "detach"))
		return detach(ifindex, argv[3]);
	if (ifindex && argc == 3 && !strcmp(argv[1], "tags"))
		return tags(argv[2]);
	fprintf(stderr, "tamper tag IFNAME TPID TCI | detach IFNAME PID | tags IFNAME\n");
	return 1;
}
