/*
 * list.h - doubly linked lists with the links in the members, and one whose head is a pointer. No
 * locking of their own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef ENV_LIST_H
#define ENV_LIST_H

#include "env/env.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Before the head: at the end. */
static inline void list_add_tail(struct list *node, struct list *head)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_add(struct list *node, struct list *head)
{
	list_add_tail(node, head->next);
}

/* Leaves the node an empty list, so that it can be removed again. */
static inline void list_del(struct list *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	list_init(node);
}

/* A list whose head is a pointer to the first: a member leaves it without knowing which it is. */
struct hlist_node {
	struct hlist_node *next, **at; /* at: what points here; NULL: in none */
};

static inline void hlist_add(struct hlist_node *node, struct hlist_node **head)
{
	node->next = *head;
	node->at = head;
	if (node->next)
		node->next->at = &node->next;
	*head = node;
}

/* Also of one that is in none. */
static inline void hlist_del(struct hlist_node *node)
{
	if (!node->at)
		return;
	*node->at = node->next;
	if (node->next)
		node->next->at = node->at;
	node->at = NULL;
}

#define list_entry(node, type, member) env_container_of(node, type, member)
#define list_for_each(pos, head)                                                                   \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
/* pos may be removed or freed in the body */
#define list_for_each_safe(pos, head)                                                              \
	for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);              \
	     pos = pos##_next, pos##_next = pos->next)

#endif
