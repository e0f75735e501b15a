/*
 * vfio.h - internals of the VFIO back end: a device, its IOVA space, and what differs between the
 * kernel's two interfaces. Sees the contract and env only.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef IOMMU_VFIO_VFIO_H
#define IOMMU_VFIO_VFIO_H

#include <pagepool/pci.h>
#include <pagepool/vfio.h>

#include "env/hash.h"

struct interface;
struct pp_vfio;

/* A mapping of a space, made by one map call. */
struct region {
	pp_iova_t iova;
	void *addr;
	size_t len;
	unsigned prot;
	unsigned refs; /* devices that it was mapped for */
	struct hash_node node;
};

#define IOAS_GROUPS 16

/* An IOVA space: an IOAS of iommufd, or a container with its groups. */
struct ioas {
	const struct interface *interface;
	struct env_lock lock;    /* protects all below; held over the kernel's map and unmap */
	unsigned refs;           /* devices in it */
	struct pp_vfio *sharers; /* those that have joined it: see ioas_join */
	int fd;                  /* /dev/iommu or /dev/vfio/vfio */
	uint32_t id;             /* iommufd's name of it */
	struct group {
		int number, fd;
		struct pp_vfio *devices; /* that are open; NULL: a free entry */
	} group[IOAS_GROUPS];
	struct hashtab regions; /* by iova */
};

struct pp_vfio {
	struct pp_iommu iommu; /* the contract's base */
	struct ioas *ioas;
	char address[PP_VFIO_ADDRESS];
	int fd;                    /* the device's */
	uint32_t dev_id;           /* iommufd's name of it */
	int group;                 /* the number of its IOMMU group */
	struct pp_vfio *neighbour; /* type 1: the next open one of the group */
	struct pp_vfio *sharer;    /* the next one that has joined its space */
	bool attached;             /* iommufd: to its IOAS; under the domain's serialisation */
	int refused;               /* why it couldn't be: what map returns */
	uint32_t flags;            /* of VFIO_DEVICE_GET_INFO */
	uint64_t config;           /* where configuration space is in fd */

	struct env_lock lock; /* protects bar, irq and read-modify-write of the command */
	struct bar {
		void *addr;
		size_t size;
	} bar[PP_VFIO_BARS];
	int irq;        /* the kind that is enabled, or -1 */
	uint32_t forks; /* env_forks() when it was opened */
	int request_fd;
};

/*
 * True in a child of fork, whose files are the parent's: what is asked of them happens to the
 * parent's device. So nothing is, and all that is done is to close them.
 */
static inline bool vfio_is_parents(const struct pp_vfio *v)
{
	return v->forks != env_forks();
}

/* One of the kernel's two interfaces. error: see vfio_say. All return 0 or a negative errno. */
struct interface {
	enum pp_vfio_api api;
	int (*ioas_open)(struct ioas *s, char *error);
	void (*ioas_close)(struct ioas *s);
	/* Opens v->fd within v->ioas, blocked if the interface can; undone by device_close. */
	int (*device_open)(struct pp_vfio *v, char *error);
	void (*device_close)(struct pp_vfio *v);
	/* Ask for ranges and page sizes: fill in v->iommu. */
	int (*limits)(struct pp_vfio *v, char *error);
	int (*attach)(struct pp_vfio *v);
	void (*detach)(struct pp_vfio *v);
	int (*map)(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot);
	/* The bytes that the kernel says it has unmapped. */
	size_t (*unmap)(struct ioas *s, pp_iova_t iova, size_t len);
};

extern const struct interface vfio_iommufd, vfio_type1;

/* errors.c */

/* Write a sentence to where the caller of open wants it; NULL: nowhere. Returns ret. */
int vfio_say(char *error, int ret, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same of what is the caller's mistake: told in debug mode too. Returns -EINVAL. */
int vfio_invalid(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Why an open of one of VFIO's files failed. Returns -errno. */
int vfio_say_open(char *error, const char *path);
/* Keep, for pp_vfio_error, why a map of len bytes failed with ret; 0 forgets. Returns ret. */
int vfio_say_map(const struct pp_vfio *v, size_t len, int ret);
/* The same where the device couldn't be let in. Returns ret. */
int vfio_say_refused(const struct pp_vfio *v, int ret);
/* What the kernel's -EBUSY means for a group: a member that is in its way. Returns -EBUSY. */
int vfio_say_busy(char *error, const struct pp_vfio *v);

/* ioas.c */

/* Make one with a reference, or take one on that of `share`. */
int ioas_get(struct ioas **out, const struct interface *interface, struct ioas *share, char *error);
void ioas_put(struct ioas *s);
int ioas_map(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot);
size_t ioas_unmap(struct ioas *s, pp_iova_t iova, size_t len);
/*
 * A device whose limits are known shares the space: all of its devices can use what each of them
 * can. 0; -ERANGE: one that is registered could use less then; -EOPNOTSUPP: nothing is left.
 */
int ioas_join(struct ioas *s, struct pp_vfio *v, char *error);
void ioas_leave(struct ioas *s, struct pp_vfio *v);
/* Add a range, inclusive, in ascending order: cut to pages; the largest are kept. */
void vfio_range_add(struct pp_iommu *iommu, uint64_t first, uint64_t last);

/* sysfs.c */

/* Bytes of a file's name under /sys or /dev, with room for what they are made of. */
#define VFIO_PATH 300

/* See that there is such a device, with an IOMMU and vfio-pci; set v->group. */
int vfio_device_look(struct pp_vfio *v, char *error);
/* The path of the device's own file in /dev/vfio/devices; false: it has none. */
bool vfio_device_file(char path[VFIO_PATH], const struct pp_vfio *v);
/* The name of the driver that an address is bound to; false: none. */
bool vfio_device_driver(char *name, size_t size, const char *address);

/* pci.c: what a driver needs besides DMA */
int vfio_pci_open(struct pp_vfio *v, char *error);
void vfio_pci_close(struct pp_vfio *v);

#endif
