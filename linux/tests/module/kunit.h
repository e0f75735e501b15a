/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * kunit.h - as much of KUnit as the series' tests use, for kernels that were built without it, as
 * Debian's are. Included in front of the tests, in place of <kunit/test.h> and <kunit/device.h>.
 * Loading the module runs them; the kernel's log has a line of TAP for each.
 */
#define _KUNIT_TEST_H
#define _KUNIT_DEVICE_H
#include <linux/err.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

struct kunit {
	void *priv;
	void *memory[8];
	unsigned int n_memory;
	struct platform_device *pdev;
	bool failed;
};

struct kunit_case {
	void (*run)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char *name;
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(f) { .run = f, .name = #f }

#define shim_expect(test, claim, text, ...)							\
	({											\
		bool holds = (claim);								\
		if (!holds) {									\
			pr_info("kunit: # line %d: " text "\n", __LINE__, ##__VA_ARGS__);	\
			(test)->failed = true;							\
		}										\
		holds;										\
	})
#define shim_compare(test, a, op, b)								\
	({											\
		long long left = (long long)(a), right = (long long)(b);			\
		shim_expect(test, left op right, #a " " #op " " #b ": %lld, %lld", left, right); \
	})
#define KUNIT_EXPECT_EQ(test, a, b)	shim_compare(test, a, ==, b)
#define KUNIT_EXPECT_GE(test, a, b)	shim_compare(test, a, >=, b)
#define KUNIT_EXPECT_GT(test, a, b)	shim_compare(test, a, >, b)
#define KUNIT_EXPECT_LE(test, a, b)	shim_compare(test, a, <=, b)
#define KUNIT_EXPECT_LT(test, a, b)	shim_compare(test, a, <, b)
#define KUNIT_EXPECT_FALSE(test, a)	shim_expect(test, !(a), #a)
/* it leaves the function only, where KUnit ends the test */
#define KUNIT_ASSERT_NOT_NULL(test, a)								\
	do { if (!shim_expect(test, (a) != NULL, #a)) return; } while (0)
#define KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a)							\
	do { if (!shim_expect(test, !IS_ERR_OR_NULL(a), #a)) return; } while (0)

static inline void *kunit_kcalloc(struct kunit *test, size_t n, size_t size, gfp_t gfp)
{
	if (test->n_memory == ARRAY_SIZE(test->memory))
		return NULL;
	return test->memory[test->n_memory++] = kcalloc(n, size, gfp);
}

static inline void *kunit_kzalloc(struct kunit *test, size_t size, gfp_t gfp)
{
	return kunit_kcalloc(test, 1, size, gfp);
}

static inline struct device *kunit_device_register(struct kunit *test, const char *name)
{
	struct platform_device *pdev = platform_device_register_simple(name, -1, NULL, 0);

	if (IS_ERR(pdev))
		return ERR_CAST(pdev);
	test->pdev = pdev;
	return &pdev->dev;
}

static bool shim_case(struct kunit_suite *suite, struct kunit_case *c)
{
	struct kunit test = { };

	test.failed = suite->init(&test);
	if (!test.failed)
		c->run(&test);
	suite->exit(&test);
	if (test.pdev)
		platform_device_unregister(test.pdev);
	while (test.n_memory)
		kfree(test.memory[--test.n_memory]);
	return !test.failed;
}

static void shim_run(struct kunit_suite *suite)
{
	struct kunit_case *c;
	int n = 0;

	for (c = suite->test_cases; c->run; c++)
		pr_info("kunit: %sok %d - %s\n", shim_case(suite, c) ? "" : "not ", ++n, c->name);
	pr_info("kunit: 1..%d\n", n);
}

#define kunit_test_suite(suite)									\
	static int __init shim_start(void) { shim_run(&(suite)); return 0; }			\
	module_init(shim_start)
