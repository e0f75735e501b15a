/*
 * nic.c - the software NIC's driver, bound again and again by one who never polls: what it
 * keeps of each binding has bounds, and is whole packets.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <soft/driver.h>

#include "tap.h"

static struct nic_seg seg[4096];

static uint64_t mapped_writes(const struct nic *nic)
{
	struct pp_domain_stats s;

	pp_domain_stats(nic->dev, &s, sizeof s);
	return s.dma_writes;
}

int main(int argc, char **argv)
{
	struct soft_model_params model = { .pcap = argv[1], .address_bits = 64 }; /* for ever */
	struct soft_driver_params params = { 0 };
	char error[SOFT_MODEL_ERROR] = "";
	unsigned n = 0, k, packets = 0;
	struct nic *nic;

	require(argc == 2 && !soft_nic_open(&nic, &model, &params, error), "a NIC: %s", error);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = mapped_writes(nic);

		require(!pp_device_bind(nic->dev, &nic->drv), "bound");
		while (mapped_writes(nic) - before < 800) /* the ring is nearly full */
			;
		require(!pp_device_unbind(nic->dev), "unbound");
	}
	while ((k = nic->ops->rx(nic, seg + n, 256)))
		n += k;
	for (unsigned i = 0; i < n; i++) {
		packets += seg[i].last;
		pp_page_put(seg[i].page);
	}
	check(n > 512 && n <= 1024, "%u pages were kept", n);
	check(seg[n - 1].last && packets == nic->stats.rx_packets, "%u whole packets", packets);
	nic->ops->close(nic);
	return tap_end();
}
