/*
 * offload.c - see offload.h. Uses the kernel's ethtool calls, and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MOST 512u /* features that a kernel has, at most */
#define WORDS (MOST / 32)

static const char *const tags[XDP_FEATURES] = { "rx-vlan-hw-parse", "rx-vlan-stag-hw-parse" };

static int ethtool(int query, const char *ifname, void *command)
{
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, ifname, sizeof r.ifr_name - 1);
	r.ifr_data = command;
	return ioctl(query, SIOCETHTOOL, &r) ? -errno : 0;
}

/* The feature's number, of *of; -1: the kernel has none of that name. */
static int number(int query, const char *ifname, const char *feature, uint32_t *of)
{
	union {
		struct ethtool_sset_info info;
		uint32_t room[sizeof(struct ethtool_sset_info) / 4 + 1];
	} count = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	struct ethtool_gstrings *names;
	int found = -1;

	if (ethtool(query, ifname, &count) < 0 || !count.info.sset_mask ||
	    count.info.data[0] > MOST)
		return -1;
	*of = count.info.data[0];
	names = calloc(1, sizeof *names + (size_t)*of * ETH_GSTRING_LEN);
	if (!names)
		return -1;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = *of;
	if (!ethtool(query, ifname, names))
		for (uint32_t i = 0; i < names->len && found < 0; i++)
			if (!strncmp((char *)names->data + i * ETH_GSTRING_LEN, feature,
				     ETH_GSTRING_LEN))
				found = (int)i;
	free(names);
	return found;
}

bool xdp_feature_is_on(int query, const char *ifname, const char *feature)
{
	union {
		struct ethtool_gfeatures head;
		uint32_t room[2 + WORDS * sizeof(struct ethtool_get_features_block) / 4];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = WORDS } };
	uint32_t of;
	int n = number(query, ifname, feature, &of);

	if (n < 0 || ethtool(query, ifname, &get))
		return false;
	return get.head.features[n / 32].active & 1u << n % 32;
}

static void switch_feature(int query, const char *ifname, const char *feature, bool on)
{
	union {
		struct ethtool_sfeatures head;
		uint32_t room[2 + WORDS * sizeof(struct ethtool_set_features_block) / 4];
	} change = { .head = { .cmd = ETHTOOL_SFEATURES } };
	uint32_t of;
	int n = number(query, ifname, feature, &of);

	if (n < 0)
		return;
	change.head.size = (of + 31) / 32;
	change.head.features[n / 32].valid = 1u << n % 32;
	change.head.features[n / 32].requested = on ? 1u << n % 32 : 0;
	ethtool(query, ifname, &change);
}

bool xdp_features_keep_tags(struct xdp_features *f, const char *ifname, bool *changed)
{
	bool kept = true;

	*changed = false;
	for (unsigned i = 0; i < XDP_FEATURES; i++) {
		if (!xdp_feature_is_on(f->query, ifname, tags[i]))
			continue;
		switch_feature(f->query, ifname, tags[i], false);
		if (xdp_feature_is_on(f->query, ifname, tags[i])) {
			kept = false;
			continue;
		}
		f->off[i] = tags[i];
		*changed = true;
	}
	return kept;
}

void xdp_features_put_back(struct xdp_features *f, const char *ifname)
{
	for (unsigned i = 0; i < XDP_FEATURES; i++) {
		if (f->off[i])
			switch_feature(f->query, ifname, f->off[i], true);
		f->off[i] = NULL;
	}
}
