/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that compile `servers:`. */
#ifndef SERVERS_PRIV_H
#define SERVERS_PRIV_H

#include "profile_priv.h"

/* How a server is protected: what stands behind `security: mode`. */
enum server_mode { MODE_PSK, MODE_RPK, MODE_X509, MODE_NOSEC, MODE_EST, MODE_OSCORE, MODE_COUNT };

/* One server while it is compiled. */
struct building {
    struct compiler *compiler;
    const struct yaml_node *node;
    const struct rule_server *first; /* of the class */
    struct rule_server *out;
    enum server_mode mode;
    struct record_list security, server, oscore; /* /0, /1, /21 */
};

/* A key that must be there, unless the class leaves it to its children. */
const struct yaml_node *server_wanted(struct compiler *compiler, const struct yaml_node *node,
                                      const char *key, const char *example);
/* Bytes of the value's literal parts: whatever variables will expand to, these count already. */
size_t server_literal_length(const struct rule_value *value);
/* A record whose value only a plan knows. */
struct rule_record *server_add_late(struct building *building, struct record_list *list,
                                    struct path path, enum rule_source source);
/* A record with the typed value of a scalar; false: nothing was added. */
bool server_add_scalar(struct building *building, struct record_list *list,
                       const struct yaml_node *node, struct path path);

void server_compile_uri(struct building *building);
/* The key `uri` of a mapping; false after an error. */
bool server_read_uri(struct building *building, const struct yaml_node *mapping,
                     struct rule_value *out);
/* pick.c: the block `pick:` in the place of a URI; false after an error */
bool server_compile_pick(struct building *building, const struct yaml_node *node);
void server_compile_hold_off(struct building *building);

/* security.c: the block `security:` */
void server_compile_security(struct building *building);
/* True when this mode's URIs are coaps:// or coaps+tcp://. */
bool server_mode_is_secure(enum server_mode mode);
const char *server_mode_name(enum server_mode mode);
/* A name that a generated credential gets. `usual` stands in for a missing key. */
void server_compile_identity(struct building *building, const struct yaml_node *security,
                             const char *key, const char *usual, size_t most,
                             struct rule_value *out);

/* `key-length` of a generated key; checked against what the class can take. */
void server_compile_key_length(struct building *building, const struct yaml_node *block);

/* makers.c: `derive:` and `issue:` */
void server_compile_maker(struct building *building, const struct yaml_node *security);

/* oscore.c: the keys of `security:` for OSCORE, and the /21 instance */
void server_compile_oscore(struct building *building, const struct yaml_node *security);
/* certificates.c: /0/x/4 and how it counts, from files that the profile names */
void server_compile_certificate(struct building *building, const struct yaml_node *security);
void server_compile_public_key(struct building *building, const struct yaml_node *security);

#endif
