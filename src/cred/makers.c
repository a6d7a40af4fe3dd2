/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and CAs beside a set of profiles. */
#include "usher/makers.h"

#include "usher/ca.h"
#include "usher/derive.h"
#include "usher/owner.h"
#include "usher/profile_rules.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_TEXT_MAX = 2 * DERIVE_GROUP_KEY_MOST + 2 };

struct maker {
    const struct rule_server *server;
    struct derive derive; /* of CREDENTIAL_DERIVE */
    struct ca *ca;        /* of CREDENTIAL_ISSUE */
};

struct makers {
    size_t count;
    struct maker items[];
};

static void makers_free(void *companion)
{
    struct makers *makers = companion;
    for (size_t i = 0; i < makers->count; i++) {
        derive_clear(&makers->items[i].derive);
        ca_close(makers->items[i].ca);
    }
    free(makers);
}

/* ---- reading ---- */

static enum err_code read_text(const char *path, char out[static KEY_TEXT_MAX + 1], struct err *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = -1;
    enum err_code code = ERR_OK;
    if (fd < 0 || fstat(fd, &status) != 0)
        code = err_set(err, ERR_IO, "cannot read the key '%.200s' (%s)", path, strerror(errno));
    else
        code = owner_check_secret("the key", path, &status, err);
    if (code == ERR_OK && (len = read(fd, out, KEY_TEXT_MAX + 1)) < 0)
        code = err_set(err, ERR_IO, "cannot read the key '%.200s' (%s)", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    while (len > 0 && isspace((unsigned char)out[len - 1]))
        len--;
    if (code == ERR_OK && (len == 0 || len > KEY_TEXT_MAX - 2))
        code = err_set(err, ERR_INVALID, "the key '%.200s' is not %d to %d bytes in hexadecimal",
                       path, DERIVE_GROUP_KEY_LEAST, DERIVE_GROUP_KEY_MOST);
    out[len > 0 && len <= KEY_TEXT_MAX ? len : 0] = '\0';
    return code;
}

static enum err_code load_derive(const struct rule_server *server, struct maker *maker,
                                 struct err *err)
{
    const struct rule_maker *rule = server->maker;
    char text[KEY_TEXT_MAX + 1];
    uint8_t key[DERIVE_GROUP_KEY_MOST];
    size_t len = 0;
    enum err_code code = read_text(rule->path, text, err);
    if (code == ERR_OK && !bytes_from_hex(text, strlen(text), key, sizeof key, &len))
        code = err_set(err, ERR_INVALID, "the key '%.200s' is not %d to %d bytes in hexadecimal",
                       rule->path, DERIVE_GROUP_KEY_LEAST, DERIVE_GROUP_KEY_MOST);
    if (code == ERR_OK)
        code = derive_begin(&maker->derive, (enum derive_scheme)rule->scheme, bytes_of(key, len),
                            rule->label, server->key_len, err);
    bytes_wipe(text, sizeof text);
    bytes_wipe(key, sizeof key);
    return code;
}

static void load_server(const struct rule_server *server, struct makers *makers,
                        struct findings *findings)
{
    const struct rule_maker *rule = server->maker;
    struct err err = {0};
    if (rule == NULL || rule->path == NULL)
        return;
    struct maker *maker = &makers->items[makers->count++];
    maker->server = server;
    enum err_code code = server->credential == CREDENTIAL_DERIVE
                             ? load_derive(server, maker, &err)
                             : ca_open_to_sign(rule->path, &maker->ca, &err);
    const struct yaml_node here = {.file = rule->file, .line = rule->line, .column = 1};
    if (code != ERR_OK)
        finding_add(findings, FINDING_ERROR, &here, "%s", err.text);
}

bool makers_load(struct profile_set *set, struct findings *findings)
{
    size_t servers = 0, errors = findings->errors;
    for (size_t i = 0; i < profile_set_count(set); i++)
        servers += profile_rules(profile_set_at(set, i))->server_count;
    struct makers *makers = calloc(1, sizeof *makers + servers * sizeof makers->items[0]);
    const struct yaml_node nowhere = {.file = "profiles", .line = 1, .column = 1};
    if (makers == NULL) {
        finding_add(findings, FINDING_ERROR, &nowhere, "out of memory");
        return false;
    }
    for (size_t i = 0; i < profile_set_count(set); i++) {
        const struct profile_rules *rules = profile_rules(profile_set_at(set, i));
        for (size_t at = 0; at < rules->server_count; at++)
            load_server(&rules->servers[at], makers, findings);
    }
    profile_set_keep(set, makers, makers_free);
    return findings->errors == errors;
}

/* ---- making ---- */

static const struct maker *find(const struct profile *profile, uint16_t ssid)
{
    const struct makers *makers = profile_companion(profile);
    const struct profile_rules *rules = profile_rules(profile);
    for (size_t i = 0; makers != NULL && i < makers->count; i++) {
        const struct rule_server *server = makers->items[i].server;
        if (server->ssid == ssid && server >= rules->servers &&
            server < rules->servers + rules->server_count)
            return &makers->items[i];
    }
    return NULL;
}

bool makers_derive(const struct profile *profile, uint16_t ssid, struct bytes identity,
                   struct secret *out)
{
    const struct maker *maker = find(profile, ssid);
    if (maker == NULL || maker->server->credential != CREDENTIAL_DERIVE)
        return false;
    derive_key(&maker->derive, identity, out);
    return true;
}

enum err_code makers_issue(const struct profile *profile, uint16_t ssid, const char *endpoint,
                           struct secret *key, struct blob **certificate, struct err *err)
{
    const struct maker *maker = find(profile, ssid);
    struct buf der;
    if (maker == NULL || maker->ca == NULL)
        return err_set(err, ERR_INVALID, "there is no CA for server %u", ssid);
    buf_init(&der, PUBLIC_PART_MAX);
    enum err_code code =
        ca_certify(maker->ca, endpoint, maker->server->maker->days, key, &der, err);
    if (code == ERR_OK && (*certificate = blob_new(buf_bytes(&der))) == NULL)
        code = err_set(err, ERR_NO_MEMORY, "out of memory");
    buf_clear(&der);
    return code;
}
