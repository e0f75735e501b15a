/*
 * vfio.c - a device on the kernel's IOMMU, as the library sees it: the contract, and opening and
 * closing a device. The differences between the kernel's two interfaces are in iommufd.c and
 * type1.c.
 *
 * Both interfaces invalidate the IOTLB before an unmap returns (iommu_unmap and the gathering
 * variants with a sync in Linux's iommu core; VFIO's domains are never lazy), so invalidate has
 * nothing to do.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

static struct pp_vfio *vfio_of(struct pp_iommu *iommu)
{
	return env_container_of(iommu, struct pp_vfio, iommu);
}

/* ---- the contract ------------------------------------------------------------------------ */

static int vfio_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		    size_t page_size, unsigned prot)
{
	struct pp_vfio *v = vfio_of(iommu);

	(void)page_size; /* the kernel sees for itself what pages it pins */
	if (v->refused)
		return vfio_say_refused(v, v->refused);
	return vfio_say_map(v, len, ioas_map(v->ioas, iova, addr, len, prot));
}

static size_t vfio_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	return ioas_unmap(vfio_of(iommu)->ioas, iova, len);
}

static void vfio_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	(void)iommu, (void)iova, (void)len;
}

/* Where it can't be let in, it stays blocked, and map tells. */
static void vfio_block(struct pp_iommu *iommu, bool on)
{
	struct pp_vfio *v = vfio_of(iommu);

	if (vfio_is_parents(v))
		return;
	if (!on && !v->attached) {
		v->refused = v->ioas->interface->attach(v);
		v->attached = !v->refused;
	} else if (on && v->attached) {
		v->ioas->interface->detach(v);
		v->attached = false;
	}
}

static void vfio_stats(struct pp_iommu *iommu, struct pp_domain_stats *stats)
{
	(void)iommu, (void)stats; /* the kernel tells nothing of one domain */
}

static void vfio_destroy(struct pp_iommu *iommu)
{
	vfio_block(iommu, true); /* the rest is the handle's */
}

static const struct pp_iommu_ops vfio_ops = {
	.kind = "vfio",
	.destroy = vfio_destroy,
	.map = vfio_map,
	.unmap = vfio_unmap,
	.invalidate = vfio_invalidate,
	.block = vfio_block,
	.stats = vfio_stats,
};

struct pp_iommu *pp_vfio_iommu(struct pp_vfio *vfio)
{
	return vfio ? &vfio->iommu : NULL;
}

/* ---- open, close ------------------------------------------------------------------------- */

static int open_with(struct pp_vfio *v, const struct interface *interface, struct ioas *share,
		     char *error)
{
	int ret = ioas_get(&v->ioas, interface, share, error);

	if (ret)
		return ret;
	ret = interface->device_open(v, error);
	if (ret)
		goto ioas;
	ret = interface->limits(v, error);
	if (!ret && (v->iommu.page_sizes & -v->iommu.page_sizes) - 1 >= env_kernel_page())
		ret = vfio_say(error, -EOPNOTSUPP,
			       "the IOMMU of %s has no pages as small as the kernel's, %zu KiB",
			       v->address, env_kernel_page() >> 10);
	if (!ret)
		ret = ioas_join(v->ioas, v, error);
	if (ret)
		goto device;
	ret = vfio_pci_open(v, error);
	if (ret)
		goto leave;
	return 0;
leave:
	ioas_leave(v->ioas, v);
device:
	interface->device_close(v);
ioas:
	ioas_put(v->ioas);
	return ret;
}

/* iommufd if it is there and ours to use, else type 1. */
static int open_any(struct pp_vfio *v, char *error)
{
	int ret = open_with(v, &vfio_iommufd, NULL, error);

	if (ret != -ENOENT && ret != -EACCES && ret != -EPERM)
		return ret;
	v->iommu.n_ranges = 0;
	return open_with(v, &vfio_type1, NULL, error);
}

static const struct interface *interface_of(enum pp_vfio_api api)
{
	return api == PP_VFIO_IOMMUFD   ? &vfio_iommufd :
	       api == PP_VFIO_CONTAINER ? &vfio_type1 :
					  NULL;
}

/* What is wrong with the parameters, which are there in full, or 0. */
static int check_params(struct pp_vfio *v, const struct pp_vfio_params *p, char *error)
{
	if (!p->address || !pp_vfio_parse_address(v->address, p->address))
		return vfio_invalid(error, "\"%s\" is no PCI address; one looks like 0000:00:03.0",
				    p->address ? p->address : "");
	if (p->api != PP_VFIO_ANY && !interface_of(p->api))
		return vfio_invalid(error, "there is no interface %d", (int)p->api);
	if (p->share && p->api != PP_VFIO_ANY && p->share->ioas->interface->api != p->api)
		return vfio_invalid(error,
				    "%s uses the other of the kernel's interfaces, so its "
				    "space can't be shared with this one",
				    p->share->address);
	return 0;
}

static int open_params(struct pp_vfio *v, const struct pp_vfio_params *p, char *error)
{
	int ret = check_params(v, p, error);

	if (!ret && p->share && vfio_is_parents(p->share))
		return vfio_say(
			error, -ENODEV,
			"%s was opened before the process forked, and stays with the parent: "
			"a child can't share its space",
			p->share->address);
	if (!ret)
		ret = vfio_device_look(v, error);
	if (ret)
		return ret;
	if (p->share)
		return open_with(v, p->share->ioas->interface, p->share->ioas, error);
	return p->api == PP_VFIO_ANY ? open_any(v, error) :
				       open_with(v, interface_of(p->api), NULL, error);
}

/* The parameters in full, and a place for the device. */
static int open_begin(struct pp_vfio **out, struct pp_vfio_params *p,
		      const struct pp_vfio_params *params, char *error)
{
	int ret;

	if (error)
		*error = 0;
	if (!out)
		return vfio_invalid(error, "there is nowhere to store the device");
	*out = NULL;
	if (!params)
		return vfio_invalid(error, "there are no parameters");
	ret = env_params("pp_vfio_open", p, sizeof *p, params);
	if (ret == -EINVAL)
		return vfio_invalid(error, "the parameters don't say their size: see PP_PARAMS");
	return ret ? vfio_say(error, ret, "the parameters are of another version") : 0;
}

int pp_vfio_open(struct pp_vfio **out, const struct pp_vfio_params *params, char *error)
{
	struct pp_vfio_params p;
	struct pp_vfio *v;
	int ret = open_begin(out, &p, params, error);

	if (ret)
		return ret;
	v = env_zalloc(sizeof *v);
	if (!v)
		return vfio_say(error, -ENOMEM, "no memory");
	env_lock_init(&v->lock);
	v->iommu.ops = &vfio_ops;
	v->iommu.pins = true;
	v->forks = env_forks();
	env_cancel_off();
	ret = open_params(v, &p, error);
	env_cancel_on();
	if (ret) {
		env_lock_destroy(&v->lock);
		env_free(v);
		return ret;
	}
	*out = v;
	return 0;
}

void pp_vfio_close(struct pp_vfio *vfio)
{
	if (!vfio)
		return;
	env_cancel_off();
	vfio_pci_close(vfio);
	vfio_block(&vfio->iommu, true);
	ioas_leave(vfio->ioas, vfio);
	vfio->ioas->interface->device_close(vfio);
	ioas_put(vfio->ioas);
	env_cancel_on();
	env_lock_destroy(&vfio->lock);
	env_free(vfio);
}

const char *pp_vfio_address(const struct pp_vfio *vfio)
{
	return vfio ? vfio->address : "";
}

enum pp_vfio_api pp_vfio_api(const struct pp_vfio *vfio)
{
	return vfio ? vfio->ioas->interface->api : PP_VFIO_ANY;
}
