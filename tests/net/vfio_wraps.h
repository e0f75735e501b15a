/*
 * vfio_wraps.h - VFIO around an emulated card: the functions that are the same for every card, in
 * place of the library's (--wrap). Include it in one file of the program, after the card's struct
 * pp_vfio, which has the members iommu, request_fd, master, requested, closed and limit.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TESTS_NET_VFIO_WRAPS_H
#define TESTS_NET_VFIO_WRAPS_H

#include <unistd.h>

#define WRAPS(ret, name, ...)                                                                      \
	ret __wrap_##name(__VA_ARGS__);                                                            \
	ret __wrap_##name(__VA_ARGS__)

WRAPS(const char *, pp_vfio_address, const struct pp_vfio *v)
{
	(void)v;
	return "0000:00:03.0";
}

WRAPS(struct pp_iommu *, pp_vfio_iommu, struct pp_vfio *v)
{
	return v->iommu;
}

WRAPS(const char *, pp_vfio_error, const struct pp_vfio *v)
{
	return v->limit ? "a limit was met" : "";
}

WRAPS(int, pp_vfio_bus_master, struct pp_vfio *v, bool on)
{
	v->master = on;
	return 0;
}

WRAPS(int, pp_vfio_request_fd, struct pp_vfio *v)
{
	return v->request_fd;
}

WRAPS(bool, pp_vfio_requested, struct pp_vfio *v)
{
	return v->requested;
}

WRAPS(void, pp_vfio_close, struct pp_vfio *v)
{
	v->closed = true;
	close(v->request_fd);
}

#endif
