// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * test_nic.c - a NIC for the tests of pagepool kernel, on QEMU's edu device, whose DMA nobody asks
 * for: two interfaces. What goes out of one comes in at the other, and the second one takes each
 * packet into a page of its page pool, one page a packet, mapped for the device. Built for Linux
 * 6.1 to 7.x.
 *
 * The parameter "err" makes it do what a driver must not; each is written once:
 *   freed     let go of a page as if it were no pool's
 *   negative  let the pool believe for one page that it took fewer than it gave back
 *
 * The list of packets is its own lock's; all else is under RTNL, or in the only NAPI.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/rtnetlink.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

#define ROOM (NET_SKB_PAD + NET_IP_ALIGN)
#define LONGEST (PAGE_SIZE - ROOM - SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
#define QUEUE 4096

struct port {
	struct net_device *peer;
	struct pci_dev *pdev;
	bool pooled;
	struct page_pool *pool; /* while it is up */
	struct napi_struct napi;
	struct sk_buff_head queue; /* what the peer has sent */
};

static struct net_device *ports[2];

/* A packet of the peer's, in a page of ours. NULL: no memory. */
static struct sk_buff *take_in(struct port *port, const struct sk_buff *sent)
{
	struct page *page;
	struct sk_buff *skb;

	if (sent->len > LONGEST)
		return NULL;
	page = page_pool_dev_alloc_pages(port->pool);
	if (!page)
		return NULL;
	skb_copy_bits(sent, 0, page_address(page) + ROOM, sent->len);
	skb = napi_build_skb(page_address(page), PAGE_SIZE);
	if (!skb) {
		page_pool_recycle_direct(port->pool, page);
		return NULL;
	}
	skb_reserve(skb, ROOM);
	skb_put(skb, sent->len);
	skb_mark_for_recycle(skb);
	return skb;
}

static int test_nic_poll(struct napi_struct *napi, int budget)
{
	struct port *port = container_of(napi, struct port, napi);
	struct sk_buff *sent, *skb;
	int done = 0;

	while (done < budget && (sent = skb_dequeue(&port->queue))) {
		skb = port->pooled ? take_in(port, sent) : skb_copy(sent, GFP_ATOMIC);
		consume_skb(sent);
		done++;
		if (!skb)
			continue;
		skb->protocol = eth_type_trans(skb, napi->dev);
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		netif_receive_skb(skb);
	}
	if (done < budget && napi_complete_done(napi, done) && !skb_queue_empty(&port->queue))
		napi_schedule(napi);
	return done;
}

static netdev_tx_t test_nic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct port *port = netdev_priv(dev), *to = port->peer ? netdev_priv(port->peer) : NULL;

	if (!to || !netif_running(port->peer) || skb_queue_len(&to->queue) >= QUEUE) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	skb_orphan(skb);
	skb_queue_tail(&to->queue, skb);
	napi_schedule(&to->napi);
	return NETDEV_TX_OK;
}

static int test_nic_open(struct net_device *dev)
{
	struct port *port = netdev_priv(dev);
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP,
		.pool_size = 64,
		.nid = NUMA_NO_NODE,
		.dev = &port->pdev->dev,
		.dma_dir = DMA_FROM_DEVICE,
	};

	if (port->pooled) {
		port->pool = page_pool_create(&params);
		if (IS_ERR(port->pool))
			return PTR_ERR(port->pool);
	}
	napi_enable(&port->napi);
	netif_start_queue(dev);
	return 0;
}

static int test_nic_stop(struct net_device *dev)
{
	struct port *port = netdev_priv(dev);

	netif_tx_disable(dev);
	napi_disable(&port->napi);
	skb_queue_purge(&port->queue);
	if (port->pooled)
		page_pool_destroy(port->pool);
	port->pool = NULL;
	return 0;
}

static const struct net_device_ops test_nic_ops = {
	.ndo_open = test_nic_open,
	.ndo_stop = test_nic_stop,
	.ndo_start_xmit = test_nic_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

/* ---- what a driver must not do --------------------------------------------------------------- */

static noinline void err_freed(struct page_pool *pool)
{
	struct page *page = page_pool_alloc_pages(pool, GFP_KERNEL);

	if (!page)
		return;
	put_page(page);
	barrier(); /* so that it is called, and not jumped to: the stack shall name us */
}

/* A page of which somebody has a reference isn't kept by the pool, so it counts. */
static noinline void err_negative(struct page_pool *pool)
{
	struct page *page = page_pool_alloc_pages(pool, GFP_KERNEL);
	u32 taken;

	if (!page)
		return;
	get_page(page);
	taken = pool->pages_state_hold_cnt;
	pool->pages_state_hold_cnt = atomic_read(&pool->pages_state_release_cnt);
	page_pool_put_full_page(pool, page, false);
	pool->pages_state_hold_cnt = taken;
	put_page(page);
}

static int set_err(const char *text, const struct kernel_param *kp)
{
	struct port *port;
	int err = -ENETDOWN;

	rtnl_lock();
	port = ports[0] ? netdev_priv(ports[0]) : NULL;
	if (port && port->pool) {
		napi_disable(&port->napi);
		err = 0;
		if (sysfs_streq(text, "freed"))
			err_freed(port->pool);
		else if (sysfs_streq(text, "negative"))
			err_negative(port->pool);
		else
			err = -EINVAL;
		napi_enable(&port->napi);
	}
	rtnl_unlock();
	return err;
}

static const struct kernel_param_ops err_ops = { .set = set_err };
module_param_cb(err, &err_ops, NULL, 0200);
MODULE_PARM_DESC(err, "do what a driver must not: freed or negative");

/* ---- the device ------------------------------------------------------------------------------ */

static int add_port(struct pci_dev *pdev, unsigned int i)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct port));
	struct port *port;
	int err;

	if (!dev)
		return -ENOMEM;
	port = netdev_priv(dev);
	port->pdev = pdev;
	port->pooled = i == 0;
	skb_queue_head_init(&port->queue);
	dev->netdev_ops = &test_nic_ops;
	dev->max_mtu = 1500;
	SET_NETDEV_DEV(dev, &pdev->dev);
	eth_hw_addr_random(dev);
	snprintf(dev->name, sizeof(dev->name), i ? "testleft" : "testright");
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
	netif_napi_add(dev, &port->napi, test_nic_poll);
#else
	netif_napi_add(dev, &port->napi, test_nic_poll, 64);
#endif
	ports[i] = dev;
	err = register_netdev(dev);
	if (err) {
		ports[i] = NULL;
		free_netdev(dev);
	}
	return err;
}

/* Both are down before either goes: one sends to the other. */
static void remove_ports(void)
{
	unsigned int i;

	rtnl_lock();
	for (i = 0; i < 2; i++)
		if (ports[i])
			dev_close(ports[i]);
	rtnl_unlock();
	for (i = 0; i < 2; i++)
		if (ports[i])
			unregister_netdev(ports[i]);
	for (i = 0; i < 2; i++) {
		if (ports[i])
			free_netdev(ports[i]);
		ports[i] = NULL;
	}
}

static int test_nic_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	if (ports[0])
		return -EBUSY; /* one is enough */
	pci_set_master(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	err = err ?: add_port(pdev, 1);
	if (!err) {
		err = add_port(pdev, 0);
		if (err)
			remove_ports();
	}
	if (err)
		return err;
	((struct port *)netdev_priv(ports[0]))->peer = ports[1];
	((struct port *)netdev_priv(ports[1]))->peer = ports[0];
	return 0;
}

static void test_nic_remove(struct pci_dev *pdev)
{
	remove_ports();
}

static const struct pci_device_id test_nic_ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
MODULE_DEVICE_TABLE(pci, test_nic_ids);

static struct pci_driver test_nic_driver = {
	.name = "test_nic",
	.id_table = test_nic_ids,
	.probe = test_nic_probe,
	.remove = test_nic_remove,
};
module_pci_driver(test_nic_driver);

MODULE_DESCRIPTION("A NIC whose page pool is mapped, for the tests of pagepool kernel");
MODULE_LICENSE("Dual BSD/GPL");
