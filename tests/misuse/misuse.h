/*
 * misuse.h - for programs whose errors must be reported: `prog CASE` makes exactly one error,
 * `prog` lists the cases. run.sh knows the report of each. The case `right`, which every program
 * has, makes none.
 *
 * A line that a message must name has a mark: a comment with @CASE.WORD in it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <errno.h>
#include <pagepool/pagepool.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct misuse {
	const char *name;
	void (*commit)(void);
};
#define MISUSE(name)                                                                               \
	{                                                                                          \
#name, name                                                                        \
	}

/* What must work for the case to make sense. */
#define need(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);                  \
			exit(2);                                                                   \
		}                                                                                  \
	} while (0)

static inline int misuse_main(int argc, char **argv, const struct misuse *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (argc < 2) {
			puts(cases[i].name);
		} else if (!strcmp(argv[1], cases[i].name)) {
			cases[i].commit();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
#define MISUSE_MAIN(cases)                                                                         \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return misuse_main(argc, argv, cases, sizeof cases / sizeof cases[0]);             \
	}

/* ---- a device on the software IOMMU ------------------------------------------------------- */

struct device {
	struct pp_iommu *iommu;
	struct pp_device *dev;
	struct pp_driver drv;
	pp_binding_t binding;              /* the last one */
	int (*probe)(struct device *self); /* NULL: it takes the device */
	void (*remove)(struct device *self, enum pp_remove_why why);
};

static inline int device_probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	struct device *self = ctx;

	(void)dev;
	self->binding = binding;
	return self->probe ? self->probe(self) : 0;
}

static inline void device_remove(struct pp_device *dev, pp_binding_t binding,
				 enum pp_remove_why why, void *ctx)
{
	struct device *self = ctx;

	(void)dev;
	(void)binding;
	if (self->remove)
		self->remove(self, why);
}

static inline void device_new(struct device *self, const char *name, bool incoherent)
{
	struct pp_device_params params = PP_PARAMS(struct pp_device_params);
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

	soft.incoherent = incoherent;
	need(!pp_soft_create(&self->iommu, &soft));
	params.name = name;
	params.iommu = self->iommu;
	need(!pp_device_register(&self->dev, &params));
	self->drv = (struct pp_driver){
		.name = name, .probe = device_probe, .remove = device_remove, .ctx = self
	};
	need(!pp_driver_register(&self->drv));
}

static inline pp_binding_t device_bind(struct device *self)
{
	need(!pp_device_bind(self->dev, &self->drv));
	return self->binding;
}

static inline pp_binding_t device_start(struct device *self, const char *name, bool incoherent)
{
	device_new(self, name, incoherent);
	return device_bind(self);
}

static inline void device_end(struct device *self)
{
	pp_device_unregister(self->dev);
	need(!pp_driver_unregister(&self->drv));
}

/* ---- a pool of small chunks --------------------------------------------------------------- */

static inline struct pp_pool *pool_new(pp_binding_t binding, const char *name, enum pp_dma_dir dir)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_pool *pool;

	params.name = name;
	params.dir = dir;
	params.memory = PP_MEMORY_BASE;
	params.chunk_size = 16 * PP_BASE_PAGE;
	need(!pp_pool_create(&pool, binding, &params));
	return pool;
}

static inline struct pp_page *page_new(struct pp_pool *pool)
{
	struct pp_page *page;

	need(!pp_page_get(&page, pool));
	return page;
}

/* Do something on another thread, and wait for it. */
static inline void elsewhere(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	need(!pthread_create(&thread, NULL, fn, arg));
	need(!pthread_join(thread, NULL));
}

#endif
