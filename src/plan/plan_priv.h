/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that make and show plans. */
#ifndef PLAN_PRIV_H
#define PLAN_PRIV_H

#include "usher/plan.h"
#include "usher/profile_rules.h"

enum { PLAN_MEMORY_MAX = 4 << 20, PLAN_WARNINGS_MAX = 16 };

struct plan {
    struct arena *arena;     /* holds this struct too */
    struct profile_set *set; /* values borrow from it */
    const char *class_name;
    struct operation *operations;
    size_t count, cap;
    struct record *records;
    size_t record_count, record_cap;
    int formats[PROFILE_FORMATS_MAX];
    size_t format_count;
    enum lwm2m_version version;
    uint64_t hash;
    const char *warnings[PLAN_WARNINGS_MAX];
    size_t warning_count;
    const char *notes[SERVERS_MAX];
    size_t note_count;
};

/* A plan while it is made. */
struct planner {
    struct plan *plan;
    const struct profile *profile;
    const struct profile_rules *rules;
    const struct client_behaviour *client;
    const struct enrollment *enrollment;
    const struct capability *capability;
    struct rule_scope scope;
    struct err *err;
    bool bootstrap_known; /* told by Discover or by the class; else `bootstrap` is a guess */
    uint16_t bootstrap;   /* /0 instance of the bootstrap account */
    /* instance of each server */
    uint16_t security_ids[SERVERS_MAX], server_ids[SERVERS_MAX], oscore_ids[SERVERS_MAX];
};

/* The next operation; there is room for all, see build.c. */
struct operation *plan_add(struct planner *planner, enum operation_kind kind, struct path path);
/* A remark; those beyond the cap are dropped. */
void plan_warn(struct planner *planner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was chosen; at most one for each server. */
void plan_note(struct planner *planner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* fill.c */
enum err_code plan_no_memory(struct err *err);
size_t plan_version_index(enum lwm2m_version version); /* among RULE_VERSIONS */
/* The value of a record. `server` is NULL outside accounts. */
enum err_code plan_fill(struct planner *planner, const struct rule_record *rule,
                        const struct rule_server *server, struct value *out);

void plan_fill_delay(const struct planner *planner, const struct rule_record *rule,
                     struct value *out);

/* intent.c */
enum err_code plan_intent_of(struct planner *planner, uint64_t *out);

/* instances.c */
void plan_find_bootstrap(struct planner *planner);
/* True when Discover named instances of the object, so that what it did not name is not there. */
bool plan_is_listed(const struct planner *planner, uint16_t object);
void plan_choose_instances(struct planner *planner);
/* The lowest instance of the object that is free, from `least` on. */
uint16_t plan_free_instance(const struct planner *planner, uint16_t object, uint32_t least);

/* clear.c */
size_t plan_clear_most(const struct planner *planner);
void plan_clear(struct planner *planner);

/* hash.c */
uint64_t plan_hash_start(void);
void plan_hash_operation(uint64_t *state, const struct operation *operation);
/* `stands`: false for a value that differs from one moment to the next. */
void plan_hash_record(uint64_t *state, const struct record *record, bool stands);

/* plan.c */
void plan_choose_formats(struct plan *plan, const struct client_behaviour *client,
                         const struct capability *capability);

#endif
