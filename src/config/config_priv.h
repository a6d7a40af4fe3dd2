/* SPDX-License-Identifier: Apache-2.0 */
/* Inside config: kinds of values and the table of keys. */
#ifndef USHER_CONFIG_PRIV_H
#define USHER_CONFIG_PRIV_H

#include "usher/config.h"

/* What a reading function works on. */
struct config_reader {
    struct arena *arena;
    const char *folder; /* of the file, "" or with a final slash: relative paths begin there */
    struct findings *findings;
};

struct config_key;

/* How a value is read into its field, and whether two fields hold the same. */
struct config_kind {
    bool (*read)(const struct config_reader *reader, const struct config_key *key,
                 const struct yaml_node *node, void *field);
    bool (*same)(const void *a, const void *b);
};

struct config_key {
    const char *section; /* NULL = at the top */
    const char *name;
    const struct config_kind *kind;
    size_t offset;        /* of the field in its struct */
    int64_t least, most;  /* of a number; of a time in milliseconds */
    int64_t unit;         /* milliseconds that count as one in the field */
    const char *fallback; /* read like written text when the key is absent */
    bool reloadable;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;
extern const struct config_kind config_number, config_workers, config_duration, config_history,
    config_boolean, config_path, config_socket, config_backend, config_level, config_format,
    config_address_kind, config_paths, config_hosts, config_prefixes, config_listeners, config_crls,
    config_crl_expired, config_certificate_names;

/* Reads every key of a table that belongs to `section` out of `mapping` (NULL = all absent) into
 * the struct at `base`. */
bool config_read_keys(const struct config_reader *reader, const struct config_key *keys,
                      size_t count, const char *section, const struct yaml_node *mapping,
                      void *base);
/* True when `mapping` is a mapping and has no key that the table does not know for the section. */
bool config_check_section(const struct config_reader *reader, const struct config_key *keys,
                          size_t count, const char *section, const struct yaml_node *mapping);

/* Reads a list of words, or one word alone, out of the NULL-terminated `words` (at most 31): bit i
 * stands for words[i]. */
bool config_read_words(const struct config_reader *reader, const struct yaml_node *node,
                       const char *const *words, uint32_t *out);

/* "192.0.2.1:5684", "[2001:db8::1]:5684"; an error finding says what is wrong. */
bool config_read_address(const struct config_reader *reader, const struct yaml_node *node,
                         struct sockaddr_storage *out, socklen_t *len);
bool config_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool config_is_loopback(const struct sockaddr_storage *address);
/* Text of a finding when memory ran out. */
bool config_no_memory(const struct config_reader *reader, const struct yaml_node *node);
/* Relative to the file's folder unless absolute; NULL after an error finding. */
const char *config_resolve_path(const struct config_reader *reader, const struct yaml_node *node);

#endif
